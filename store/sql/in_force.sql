-- Which revision of the definitions and which settlement do figures go by?
SELECT (SELECT max(revision) FROM definitions WHERE tenant = {tenant:String}) AS revision,
       (SELECT max(settlement) FROM settlements) AS settlement

-- Which revision of the definitions is in force?
SELECT max(revision) AS revision FROM definitions WHERE tenant = {tenant:String}

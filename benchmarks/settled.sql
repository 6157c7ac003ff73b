-- Of how many orders are there events, and how many of them are settled?
SELECT (SELECT uniqExact(instance_id) FROM events) AS orders,
       (SELECT uniqExact(instance_id)
        FROM (SELECT instance_id FROM open_instances FINAL UNION ALL SELECT instance_id FROM departures)) AS settled

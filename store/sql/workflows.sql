-- Which workflow types have sent events?
SELECT workflow_type, arraySort(groupUniqArray(toString(environment))) AS environments,
       min(first_at) AS first_at, max(last_at) AS last_at, sum(events) AS events
FROM workflow_types
WHERE tenant = {tenant:String}
GROUP BY workflow_type
ORDER BY workflow_type

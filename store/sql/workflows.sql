-- Which workflow types have sent events?
SELECT workflow_type, arraySort(groupUniqArray(toString(environment))) AS environments,
       min(effective_at) AS first_at, max(effective_at) AS last_at, count() AS events
FROM events
WHERE tenant = {tenant:String} AND workflow_type != ''
GROUP BY workflow_type
ORDER BY workflow_type

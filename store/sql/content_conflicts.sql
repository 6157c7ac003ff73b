-- Which events came more than once in the window, with the same id and other content? The first received counts.
-- One id in `every` is looked at, so that memory stays bounded; `conflicts` is the number found, times that.
SELECT workflow_type, environment, count() * {every:UInt32} AS conflicts, max(last_at) AS last_at,
       argMax(instance_id, last_at) AS instance_id, argMax(event_id, last_at) AS event_id
FROM (
    SELECT workflow_type, environment, instance_id, event_id, max(received_at) AS last_at
    FROM events
    WHERE tenant = {tenant:String} AND event != 'heartbeat'
      AND received_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC')
      AND received_at < fromUnixTimestamp64Micro({to:Int64}, 'UTC')
      AND cityHash64(instance_id, event_id) % {every:UInt32} = 0
    GROUP BY workflow_type, environment, instance_id, event_id
    HAVING min(content_hash) != max(content_hash)
)
GROUP BY workflow_type, environment
ORDER BY conflicts DESC, workflow_type, environment
LIMIT 100

-- What was refused in the window, why, and what did the newest of it look like?
SELECT reason, field, count() AS count, min(received_at) AS first_at, max(received_at) AS last_at,
       argMax(detail, received_at) AS detail, argMax(substringUTF8(raw, 1, 2000), received_at) AS raw,
       toString(argMax(collector, received_at)) AS collector, toString(argMax(door, received_at)) AS door
FROM rejected_events
WHERE tenant = {tenant:String}
  AND received_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC')
  AND received_at < fromUnixTimestamp64Micro({to:Int64}, 'UTC')
GROUP BY reason, field
ORDER BY count DESC, reason, field
LIMIT 200

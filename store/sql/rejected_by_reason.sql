-- What was refused in the window, and why?
SELECT reason, field, count() AS count, max(received_at) AS last_at
FROM rejected_events
WHERE tenant = {tenant:String}
  AND received_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC')
  AND received_at < fromUnixTimestamp64Micro({to:Int64}, 'UTC')
GROUP BY reason, field
ORDER BY count DESC, reason, field

-- Which producers have reported, when last, and how much have they dropped?
SELECT service, argMax(service_version, received_at) AS service_version, environment, producer,
       max(received_at) AS last_at, max(ifNull(emitted, 0)) AS emitted, max(ifNull(dropped, 0)) AS dropped
FROM events
WHERE tenant = {tenant:String} AND event = 'heartbeat'
  AND received_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC')
  AND received_at < fromUnixTimestamp64Micro({to:Int64}, 'UTC')
GROUP BY service, environment, producer
ORDER BY last_at DESC

-- How many events came in each step of the window?
SELECT fromUnixTimestamp64Micro(
           intDiv(toUnixTimestamp64Micro(received_at), toInt64({step:UInt32}) * 1000000) * toInt64({step:UInt32}) * 1000000, 'UTC') AS at,
       count() AS events
FROM events
WHERE tenant = {tenant:String}
  AND received_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC')
  AND received_at < fromUnixTimestamp64Micro({to:Int64}, 'UTC')
GROUP BY at
ORDER BY at

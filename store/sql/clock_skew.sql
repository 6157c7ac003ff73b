-- By how much do the times that services write differ from the times of receipt, in seconds?
-- Less than nothing is certain: their clock is ahead. More may be a clock behind, or events sent late; `heartbeat` is the
-- least of those that an SDK sends the moment it writes them. Events without a time of their own got that of their receipt.
SELECT service, environment, count() AS events, quantile(0.5)(late) AS median, min(late) AS least, max(late) AS greatest,
       minOrNullIf(late, event = 'heartbeat') AS heartbeat, countIf(late < -{longer_than:Float64}) AS ahead
FROM (
    SELECT service, environment, event,
           (toUnixTimestamp64Micro(received_at) - toUnixTimestamp64Micro(occurred_at)) / 1000000 AS late
    FROM events
    WHERE tenant = {tenant:String}
      AND received_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC')
      AND received_at < fromUnixTimestamp64Micro({to:Int64}, 'UTC')
)
GROUP BY service, environment
ORDER BY greatest(-least, ifNull(heartbeat, 0)) DESC, service, environment
LIMIT 100

-- How many events have producers reported as dropped in the window?
-- A producer counts from its start: what it said in the hour before the window is subtracted. Less than before is a restart.
SELECT service, environment, sum(more) AS dropped, uniqExact(producer) AS producers, max(last_at) AS last_at
FROM (
    SELECT service, environment, producer, max(received_at) AS last_at,
           arraySort(groupArray((occurred_at, received_at, toInt64(ifNull(dropped, 0))))) AS said,
           arraySum(arrayMap(
               (each, before) -> if(each.2 < fromUnixTimestamp64Micro({from_:Int64}, 'UTC'), 0,
                                    if(each.3 >= before, each.3 - before, each.3)),
               said,
               arrayPushFront(arrayPopBack(arrayMap(each -> each.3, said)), toInt64(0)))) AS more
    FROM events
    WHERE tenant = {tenant:String} AND event = 'heartbeat'
      AND received_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC') - INTERVAL 1 HOUR
      AND received_at < fromUnixTimestamp64Micro({to:Int64}, 'UTC')
    GROUP BY service, environment, producer
)
WHERE more > 0
GROUP BY service, environment
ORDER BY dropped DESC, service, environment
LIMIT 100

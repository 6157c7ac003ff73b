{# Product-limit percentiles (Kaplan and Meier 1958) with delayed entry. Reads a step `alive` with group_key, starts
   and ends (ages in microseconds), exited, counted (else it is only tallied as skewed) and tally (an array of names to count).
   Gives `percentiles`: group_key, p50, p95, p99, p_asked (parameter percentile; NULL where not reached) and oldest in
   seconds, intervals, exits, skewed, and tallies (a map of the names). #}
-- at an age: first who comes under risk there, then who exits, then who leaves the risk
points AS (
    SELECT group_key, point.1 AS age, point.2 AS kind, count() AS weight, sumMap(point.3) AS tallies
    FROM alive
    ARRAY JOIN if(counted, arrayFilter(p -> p.2 != 1 OR exited, [
        (starts, 0, CAST(map(), 'Map(String, UInt64)')),
        (ends, 1, CAST(map(), 'Map(String, UInt64)')),
        (ends, 2, mapFromArrays(tally, arrayMap(t -> toUInt64(1), tally)))
    ]), [(starts, 3, mapFromArrays(tally, arrayMap(t -> toUInt64(1), tally)))]) AS point
    GROUP BY group_key, age, kind
),
at_risk AS (
    SELECT *,
           sum(multiIf(kind = 0, toInt64(weight), kind = 2, -toInt64(weight), 0)) OVER (
               PARTITION BY group_key ORDER BY age, kind
               ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n
    FROM points
),
survival AS (
    SELECT *,
           exp(sum(if(kind = 1, log(1 - weight / n), 0)) OVER (
               PARTITION BY group_key ORDER BY age, kind
               ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) AS s
    FROM at_risk
),
percentiles AS (
    SELECT group_key,
           minOrNullIf(age, kind = 1 AND s <= 0.5 + 1e-9) / 1e6 AS p50,
           minOrNullIf(age, kind = 1 AND s <= 0.05 + 1e-9) / 1e6 AS p95,
           minOrNullIf(age, kind = 1 AND s <= 0.01 + 1e-9) / 1e6 AS p99,
           minOrNullIf(age, kind = 1 AND s <= 1 - {percentile:Float64} + 1e-9) / 1e6 AS p_asked,
           maxOrNullIf(age, kind = 2) / 1e6 AS oldest,
           sumIf(weight, kind = 2) AS intervals, sumIf(weight, kind = 1) AS exits, sumIf(weight, kind = 3) AS skewed,
           sumMap(tallies) AS counts
    FROM survival
    GROUP BY group_key
)

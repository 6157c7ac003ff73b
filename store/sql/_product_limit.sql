{# Product-limit percentiles (Kaplan and Meier 1958) with delayed entry. Reads a step `alive` with group_key, starts
   and ends (ages in microseconds), exited, counted (else only tallied) and tag (what to tally it as).
   Gives `survival`, to be aggregated by group_key: `s` is the share that outlives `age`, at rows of kind 1; rows of kind 2 and
   3 carry the tags of what was counted and of what was not, with their weight. #}
points AS (
    SELECT group_key, point.1 AS at_age, point.2 AS at_kind, point.3 AS at_tag
    FROM alive
    -- at an age: first who comes under risk there, then who exits, then who leaves the risk
    ARRAY JOIN multiIf(NOT counted, [(0, 3, tag)], exited, [(starts, 0, ''), (ends, 1, ''), (ends, 2, tag)],
                       [(starts, 0, ''), (ends, 2, tag)]) AS point
),
weights AS (
    SELECT group_key, at_age AS age, at_kind AS kind, at_tag AS tag, count() AS weight
    FROM points
    GROUP BY group_key, age, kind, tag
),
at_risk AS (
    SELECT group_key, age, kind, tag, weight,
           sum(multiIf(kind = 0, toInt64(weight), kind = 2, -toInt64(weight), 0)) OVER w AS n
    FROM weights
    WINDOW w AS (PARTITION BY group_key ORDER BY age, kind ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
),
survival AS (
    SELECT group_key, age, kind, tag, weight,
           exp(sum(if(kind = 1, log(1 - weight / n), 0)) OVER w) AS s
    FROM at_risk
    WINDOW w AS (PARTITION BY group_key ORDER BY age, kind ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)

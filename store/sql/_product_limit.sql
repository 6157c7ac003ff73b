{# Product-limit percentiles (Kaplan and Meier 1958) with delayed entry. Reads a step `alive` with group_key, starts
   and ends (ages in microseconds), exited, counted (else only tallied) and tag (what to tally it as).
   Gives `curves`: by group_key (none: one row) arrays in the order of age: ages, kinds, weights, tags, and `outlive`, the
   share that outlives the age, at kind 1. Kinds 2 and 3 carry the tags of what was counted and of what was not. #}
points AS (
    SELECT (group_key, point.1, point.2, point.3) AS key
    FROM alive
    -- at an age: first who comes under risk there, then who exits, then who leaves the risk
    ARRAY JOIN multiIf(NOT counted, [(0, 3, tag)], exited, [(starts, 0, ''), (ends, 1, ''), (ends, 2, tag)],
                       [(starts, 0, ''), (ends, 2, tag)]) AS point
),
-- grouped by one tuple: each key of a GROUP BY is compared, while the query is analysed, with all that it is read from
weights AS (
    SELECT key, count() AS weight FROM points GROUP BY key
),
ages AS (
    SELECT key.1 AS group_key, key.2 AS age, key.3 AS kind, key.4 AS tag, weight FROM weights
),
at_risk AS (
    SELECT group_key, age, kind, tag, weight,
           sum(multiIf(kind = 0, toInt64(weight), kind = 2, -toInt64(weight), 0)) OVER w AS n
    FROM ages
    WINDOW w AS (PARTITION BY group_key ORDER BY age, kind ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
),
survival AS (
    SELECT group_key, age, kind, tag, weight,
           exp(sum(if(kind = 1, log(1 - weight / n), 0)) OVER w) AS s
    FROM at_risk
    WINDOW w AS (PARTITION BY group_key ORDER BY age, kind ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
),
-- arrays, because each aggregate would be compared with all it is read from, too
gathered AS (
    SELECT {% if not single_group %}group_key, {% endif %}arraySort(groupArray((age, kind, weight, s, tag))) AS curve
    FROM survival
    {%- if not single_group %}
    GROUP BY group_key
    {%- endif %}
),
curves AS (
    SELECT {% if not single_group %}group_key, {% endif %}curve.1 AS ages, curve.2 AS kinds, curve.3 AS weights, curve.4 AS outlive, curve.5 AS tags
    FROM gathered
)

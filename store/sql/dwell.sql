-- How long do instances stay in each state? Visits alive in the window, open ones censored.
WITH
{% include '_path.sql' %},
{% include '_stays.sql' %},
fromUnixTimestamp64Micro({from_:Int64}, 'UTC') AS window_start,
fromUnixTimestamp64Micro({to:Int64}, 'UTC') AS window_end,
in_window AS (
    SELECT state, left_at, assumeNotNull(entered_at) AS entered_at, left_at IS NOT NULL AND left_at < window_end AS exited
    FROM stays
    WHERE NOT terminal AND entered_at < window_end
      AND (left_at IS NULL OR left_at >= window_start)
),
aged AS (
    SELECT state, exited, greatest(0, dateDiff('microsecond', entered_at, window_start)) AS starts,
           dateDiff('microsecond', entered_at,
                    if(exited, assumeNotNull(left_at),
                       least(window_end, fromUnixTimestamp64Micro({flushed:Int64}, 'UTC')))) AS ends
    FROM in_window
),
alive AS (
    SELECT state AS group_key, starts, ends, exited, ends >= starts AS counted, '' AS tag FROM aged
),
{% include '_product_limit.sql' %}
SELECT group_key AS state, sumIf(weight, kind = 2) AS visits, sumIf(weight, kind = 1) AS ended,
       sumIf(weight, kind = 2) - sumIf(weight, kind = 1) AS censored, sumIf(weight, kind = 3) AS skewed,
       minOrNullIf(age, kind = 1 AND s <= 0.5 + 1e-9) / 1e6 AS p50,
       minOrNullIf(age, kind = 1 AND s <= 0.05 + 1e-9) / 1e6 AS p95,
       minOrNullIf(age, kind = 1 AND s <= 0.01 + 1e-9) / 1e6 AS p99,
       maxOrNullIf(age, kind = 2) / 1e6 AS oldest
FROM survival
GROUP BY state
ORDER BY state

-- How long do instances stay in each state? Visits alive in the window, open ones censored.
WITH
{% set part = 'stays' %}{% include '_path.sql' %},
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
SELECT group_key AS state,
       arraySum((weight, kind) -> if(kind = 2, weight, 0), weights, kinds) AS visits,
       arraySum((weight, kind) -> if(kind = 1, weight, 0), weights, kinds) AS ended,
       visits - ended AS censored,
       arraySum((weight, kind) -> if(kind = 3, weight, 0), weights, kinds) AS skewed,
       arrayFirstOrNull((age, kind, s) -> kind = 1 AND s <= 0.5 + 1e-9, ages, kinds, outlive) / 1e6 AS p50,
       arrayFirstOrNull((age, kind, s) -> kind = 1 AND s <= 0.05 + 1e-9, ages, kinds, outlive) / 1e6 AS p95,
       arrayFirstOrNull((age, kind, s) -> kind = 1 AND s <= 0.01 + 1e-9, ages, kinds, outlive) / 1e6 AS p99,
       arrayLastOrNull((age, kind) -> kind = 2, ages, kinds) / 1e6 AS oldest
FROM curves
ORDER BY state

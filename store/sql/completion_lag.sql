-- How long does it take from the start of a run until its owner can see it done? Open runs censored.
WITH
{% set part = 'runs' %}{% include '_path.sql' %},
{% include '_runs.sql' %},
{% include '_clocks.sql' %},
fromUnixTimestamp64Micro({from_:Int64}, 'UTC') AS window_start,
fromUnixTimestamp64Micro({to:Int64}, 'UTC') AS window_end,
in_window AS (
    SELECT start_unseen, ended_how, ended_at, assumeNotNull(clock_start) AS started,
           ended_at IS NOT NULL AND ended_at < window_end AS ended
    FROM clocks
    WHERE clock_start < window_end AND (ended_at IS NULL OR ended_at >= window_start)
),
aged AS (
    SELECT start_unseen, ended, ended_how, greatest(0, dateDiff('microsecond', started, window_start)) AS starts,
           dateDiff('microsecond', started,
                    if(ended, assumeNotNull(ended_at),
                       least(window_end, fromUnixTimestamp64Micro({flushed:Int64}, 'UTC')))) AS ends
    FROM in_window
),
alive AS (
    SELECT 0 AS group_key, starts, ends, ended AND ended_how = 'completed' AS exited,
           NOT start_unseen AND ends >= starts AS counted,
           multiIf(start_unseen, 'unseen', ends < starts, 'skewed', ended, ended_how, 'open') AS tag
    FROM aged
),
{% set single_group = true %}{% include '_product_limit.sql' %}
SELECT arraySum((weight, kind) -> if(kind = 2, weight, 0), weights, kinds) AS runs,
       arraySum((weight, tag) -> if(tag = 'completed', weight, 0), weights, tags) AS completed,
       arraySum((weight, tag) -> if(tag = 'ended_otherwise', weight, 0), weights, tags) AS ended_otherwise,
       arraySum((weight, tag) -> if(tag = 'open', weight, 0), weights, tags) AS open,
       arraySum((weight, tag) -> if(tag = 'unseen', weight, 0), weights, tags) AS unseen,
       arraySum((weight, tag) -> if(tag = 'skewed', weight, 0), weights, tags) AS skewed,
       arrayFirstOrNull((age, kind, s) -> kind = 1 AND s <= 0.5 + 1e-9, ages, kinds, outlive) / 1e6 AS p50,
       arrayFirstOrNull((age, kind, s) -> kind = 1 AND s <= 0.05 + 1e-9, ages, kinds, outlive) / 1e6 AS p95,
       arrayFirstOrNull((age, kind, s) -> kind = 1 AND s <= 0.01 + 1e-9, ages, kinds, outlive) / 1e6 AS p99,
       arrayFirstOrNull((age, kind, s) -> kind = 1 AND s <= 1 - {percentile:Float64} + 1e-9, ages, kinds, outlive) / 1e6 AS percentile,
       arrayLastOrNull((age, kind) -> kind = 2, ages, kinds) / 1e6 AS oldest
FROM curves

-- How long do instances stay in each state? Visits alive in the window, open ones censored.
WITH {% include '_events.sql' %},
{% include '_path.sql' %},
{% include '_stays.sql' %},
fromUnixTimestamp64Micro({from_:Int64}, 'UTC') AS window_start,
fromUnixTimestamp64Micro({to:Int64}, 'UTC') AS window_end,
alive AS (
    SELECT state AS group_key,
           left_at IS NOT NULL AND left_at < window_end AS exited,
           greatest(0, dateDiff('microsecond', assumeNotNull(entered_at), window_start)) AS starts,
           dateDiff('microsecond', assumeNotNull(entered_at),
                    if(exited, assumeNotNull(left_at),
                       least(window_end, fromUnixTimestamp64Micro({flushed:Int64}, 'UTC')))) AS ends,
           ends >= starts AS counted,
           CAST([], 'Array(String)') AS tally
    FROM stays
    WHERE NOT terminal AND entered_at < window_end
      AND (left_at IS NULL OR left_at >= window_start OR left_at < entered_at)
),
{% include '_product_limit.sql' %}
SELECT group_key AS state, intervals AS visits, exits AS ended, visits - ended AS censored, skewed, p50, p95, p99, oldest
FROM percentiles
ORDER BY state

-- How long does it take from the start of a run until its owner can see it done? Open runs censored.
WITH {% include '_events.sql' %},
{% include '_path.sql' %},
{% include '_runs.sql' %},
{% include '_clocks.sql' %},
fromUnixTimestamp64Micro({from_:Int64}, 'UTC') AS window_start,
fromUnixTimestamp64Micro({to:Int64}, 'UTC') AS window_end,
alive AS (
    SELECT 0 AS group_key,
           ended_at IS NOT NULL AND ended_at < window_end AS ended,
           ended AND ended_how = 'completed' AS exited,
           greatest(0, dateDiff('microsecond', assumeNotNull(clock_start), window_start)) AS starts,
           dateDiff('microsecond', assumeNotNull(clock_start),
                    if(ended, assumeNotNull(ended_at),
                       least(window_end, fromUnixTimestamp64Micro({flushed:Int64}, 'UTC')))) AS ends,
           NOT start_unseen AND ends >= starts AS counted,
           [multiIf(start_unseen, 'unseen', NOT counted, 'skewed', ended, ended_how, 'open')] AS tally
    FROM clocks
    WHERE clock_start < window_end AND (ended_at IS NULL OR ended_at >= window_start OR ended_at < clock_start)
),
{% include '_product_limit.sql' %}
SELECT sum(intervals) AS runs,
       sum(counts['completed']) AS completed, sum(counts['ended_otherwise']) AS ended_otherwise,
       sum(counts['open']) AS open, sum(counts['unseen']) AS unseen, sum(counts['skewed']) AS skewed,
       -- no group at all is no row to read from: an aggregate still answers
       any(percentiles.p50) AS p50, any(percentiles.p95) AS p95, any(percentiles.p99) AS p99, any(p_asked) AS percentile,
       any(percentiles.oldest) AS oldest
FROM percentiles

-- Which runs are still open longer than this? The oldest first.
WITH
{% set part = 'now' %}{% include '_path.sql' %},
{% include '_runs.sql' %},
{% include '_clocks.sql' %}
SELECT environment, instance_id, run, state, assumeNotNull(clock_start) AS started_at,
       dateDiff('microsecond', assumeNotNull(clock_start), fromUnixTimestamp64Micro({flushed:Int64}, 'UTC')) / 1e6 AS age,
       count() OVER () AS total
FROM clocks
WHERE open AND NOT start_unseen AND clock_start IS NOT NULL AND age > assumeNotNull({longer_than:Nullable(Float64)})
ORDER BY age DESC, environment, instance_id
LIMIT {limit:UInt32}

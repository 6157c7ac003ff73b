-- Where has one instance been, since when, and by which way did it come?
WITH
{% set source = 'events' %}{% set probes = true %}{% include '_path.sql' %},
{% include '_stays.sql' %}
SELECT environment, toUInt32(run) AS run, toUInt32(visit) AS visit, state, status, terminal = 1 AS terminal,
       assumeNotNull(entered_at) AS entered_at, left_at AS exited_at,
       dateDiff('microsecond', entered_at, ifNull(left_at, fromUnixTimestamp64Micro({flushed:Int64}, 'UTC'))) / 1e6 AS dwell,
       link, act AS action, event_id, workflow_version, limit_seconds, declared
FROM stays
ORDER BY environment, instance_id, visit

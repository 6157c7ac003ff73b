-- Which instances of one workflow type fit this filter? Oldest entry first.
WITH
{% set live = true %}{% set probes = true %}{% set part = 'now' %}{% set ended = true %}{% include '_path.sql' %},
{% include '_runs.sql' %}
SELECT {workflow:String} AS workflow_type, environment, instance_id, run, state, status, open = 1 AS open,
       NOT probe AND (stuck_in_state OR stuck_in_run) AS stuck,
       multiIf(NOT stuck, '', stuck_in_state AND stuck_in_run, 'state and run', stuck_in_state, 'state', 'run') AS stuck_cause,
       about.1 AS workflow_version, entered_at, started_at AS run_started_at, ended_at, state_age AS age, probe = 1 AS probe,
       about.2 AS service, about.5 AS trace_id,
       -- the limit that counts: of its run only where that alone is exceeded
       if(stuck_in_run AND NOT stuck_in_state, run_limit, state_limit) AS limit_seconds
FROM runs
WHERE run = last_run
  AND ({state:String} = '' OR state = {state:String})
  AND ({status:String} = '' OR status = {status:String})
  AND ({stuck:Nullable(UInt8)} IS NULL OR stuck = {stuck:Nullable(UInt8)})
  AND ({open:Nullable(UInt8)} IS NULL OR open = {open:Nullable(UInt8)})
  AND ({older_than:Nullable(Float64)} IS NULL OR state_age > {older_than:Nullable(Float64)})
  AND ({search:String} = '' OR positionCaseInsensitiveUTF8(instance_id, {search:String}) > 0)
  AND ({after_at:Nullable(Int64)} IS NULL
       OR (toUnixTimestamp64Micro(entered_at), environment, instance_id)
          > (assumeNotNull({after_at:Nullable(Int64)}), {after_environment:String}, {after_instance:String}))
ORDER BY entered_at, environment, instance_id
LIMIT {limit:UInt32}

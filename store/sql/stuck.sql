-- Which open instances have stayed longer than they may, in their state or in their run?
WITH
{% set live = true %}{% set part = 'now' %}{% include '_path.sql' %},
{% include '_runs.sql' %}
SELECT environment, instance_id, run, if(stuck_in_state, 'state', 'run') AS cause, state, status, about.1 AS workflow_version, entered_at,
       started_at AS run_started_at, entering_event_id, 
       if(stuck_in_state, state_age, run_age) AS age, assumeNotNull(if(stuck_in_state, state_limit, run_limit)) AS limit_seconds,
       about.2 AS service, about.5 AS trace_id, count() OVER () AS total
FROM runs
WHERE open AND (stuck_in_state OR (stuck_in_run AND {state:String} = ''))
  AND ({state:String} = '' OR state = {state:String})
ORDER BY age DESC, environment, instance_id
LIMIT {limit:UInt32}

-- Which open instances have stayed longer than they may, in their state or in their run?
WITH
{% set live = true %}{% include '_path.sql' %},
{% include '_runs.sql' %}
SELECT environment, instance_id, run, fact.1 AS cause, state, status, about.1 AS workflow_version, entered_at,
       started_at AS run_started_at, entering_event_id, fact.2 AS age, assumeNotNull(fact.3) AS limit_seconds,
       about.2 AS service, about.5 AS trace_id, count() OVER () AS total
FROM runs
ARRAY JOIN arrayFilter(f -> f.4, [('state', state_age, state_limit, stuck_in_state),
                                  ('run', run_age, run_limit, stuck_in_run)]) AS fact
WHERE open AND ({state:String} = '' OR (state = {state:String} AND cause = 'state'))
ORDER BY age DESC, environment, instance_id, cause
LIMIT {limit:UInt32}

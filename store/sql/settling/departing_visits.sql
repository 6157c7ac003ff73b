-- What remains of their paths.
INSERT INTO visits (
    tenant, workflow_type, environment, instance_id, settlement, departed_at, probe, event_id, effective_at, is_visible, came_from,
    went_to, act, class_, entered_at, about, n, moves, link, unseen, visit, left_at, run, last_run, started_at, start_unseen,
    visible_at, completed_at, clock_entry, end, last_n)
SELECT tenant, workflow_type, environment, instance_id, {settlement:UInt64}, fromUnixTimestamp64Micro({now:Int64}, 'UTC'), probe,
       step.event_id, step.effective_at, step.event = 'visible', step.from_state, step.to_state, step.action, step.class_,
       step.entered_at, (step.workflow_version, step.service, step.service_version, step.actor_type, step.trace_id), step.n,
       step.moves, step.link, step.unseen, step.visit, step.left_at, step.run, last_run, its.started_at, its.start_unseen,
       its.visible_at, its.completed_at, its.clock_entry, (its.ended_at, its.ended_how, its.ended_visibly), its.last_n
FROM (
    SELECT tenant, workflow_type, environment, instance_id, probe, last_run, step, runs[step.run] AS its
    FROM (
        SELECT tenant, workflow_type, environment, instance_id, probe, run AS last_run, runs, events
        FROM {% include 'settling/_departing.sql' %}
    ) ARRAY JOIN events AS step
    WHERE step.n > 0
)

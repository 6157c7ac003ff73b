-- What do we already know of them?
INSERT INTO settling_received ({% include 'settling/_columns.sql' %}, kept)
SELECT tenant, workflow_type, environment, instance_id, e.event, e.event_id, e.effective_at, e.received_at, e.collector, e.segment,
       e.position, e.workflow_version, e.actor_type, e.sequence, e.from_state, e.to_state, e.action, e.key, e.outcome, e.class_,
       e.entered_at, e.error_type, e.job_id, e.job_type, e.job_state, e.attempt, e.max_attempts, e.outbox_id, e.outbox_state,
       e.service, e.service_version, e.trace_id, 1
FROM (
    SELECT tenant, workflow_type, environment, instance_id, events
    FROM open_instances FINAL
    WHERE (tenant, workflow_type, environment, instance_id) IN (
        SELECT tenant, workflow_type, environment, instance_id FROM settling_instances)
) ARRAY JOIN events AS e

-- Each event once: the copy received first is kept.
INSERT INTO settling_events
SELECT tenant, workflow_type, environment, instance_id, event, event_id, effective_at, received_at, collector, segment, position,
       workflow_version, actor_type, sequence, from_state, to_state, action, key, outcome, class_, entered_at, error_type, job_id,
       job_type, job_state, attempt, max_attempts, outbox_id, outbox_state, service, service_version, trace_id,
       concat(tenant, '\0', workflow_type, '\0', environment) AS place
FROM settling_received
ORDER BY received_at, collector, segment, position
LIMIT 1 BY tenant, workflow_type, environment, instance_id, event_id

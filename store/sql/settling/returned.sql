-- What had been sent of those that are back?
INSERT INTO settling_received (
    tenant, workflow_type, environment, instance_id, event, event_id, effective_at, received_at, collector, segment, position,
    workflow_version, actor_type, sequence, from_state, to_state, action, key, outcome, class_, entered_at, error_type, job_id,
    job_type, job_state, attempt, max_attempts, outbox_id, outbox_state, service, service_version, trace_id)
SELECT tenant, workflow_type, environment, instance_id, event, event_id, effective_at, received_at, collector, segment, position,
       workflow_version, actor_type, sequence, from_state, to_state, action, key, outcome, class_, entered_at, error_type, job_id,
       job_type, job_state, attempt, max_attempts, outbox_id, outbox_state, service, service_version, trace_id
FROM events
WHERE (tenant, workflow_type) IN (SELECT tenant, workflow_type FROM settling_returns)
  AND toStartOfMinute(effective_at) >= (SELECT toStartOfMinute(min(first_at)) FROM settling_returns)
  AND toStartOfMinute(effective_at) <= (SELECT toStartOfMinute(max(last_at)) FROM settling_returns)
  AND (tenant, workflow_type, environment, instance_id) IN (
      SELECT tenant, workflow_type, environment, instance_id FROM settling_returns)
  AND event != 'heartbeat'

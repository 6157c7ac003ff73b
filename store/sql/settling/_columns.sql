{# What a settlement needs of an event. #}
tenant, workflow_type, environment, instance_id, event, event_id, effective_at, received_at, collector, segment, position,
       workflow_version, actor_type, sequence, from_state, to_state, action, key, outcome, class_, entered_at, error_type, job_id,
       job_type, job_state, attempt, max_attempts, outbox_id, outbox_state, service, service_version, trace_id

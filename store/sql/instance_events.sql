-- What has been reported of one instance? Every event once, in time order.
WITH
{% set source = 'events' %}{% set columns = "event, workflow_type, workflow_version, occurred_at, received_at, sequence, business_key, actor_type, actor_id, reason, from_state, to_state, action, key, outcome, rejection, class_, entered_at, error_type, job_id, job_type, job_queue, job_state, attempt, max_attempts, scheduled_at, effect_key, cause_key, basis_sequence, outbox_id, outbox_state, transition_key, service, service_version, trace_id, span_id, attributes" %}
{% include '_events.sql' %}
SELECT * FROM unique_events
ORDER BY environment, effective_at, event_id

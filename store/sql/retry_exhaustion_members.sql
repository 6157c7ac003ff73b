-- Which jobs have failed their last permitted attempt? The newest first.
WITH
{% set columns = "event, job_id, job_type, job_state, attempt, max_attempts, error_type, service, trace_id" %}{% include '_events.sql' %},
{% include '_jobs.sql' %}
SELECT environment, instance_id, job_id, job_type, attempt, ended_at, error_type, service, trace_id
FROM ended_jobs
WHERE exhausted
ORDER BY ended_at DESC, environment, instance_id, job_id
LIMIT {limit:UInt32}

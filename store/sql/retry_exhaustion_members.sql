-- Which jobs have failed their last permitted attempt? The newest first.
WITH
{% include '_jobs.sql' %}
SELECT environment, instance_id, job_id, job_type, attempt, ended_at, error_type, service, trace_id
FROM ended_jobs
WHERE exhausted
ORDER BY ended_at DESC, environment, instance_id, job_id
LIMIT {limit:UInt32}

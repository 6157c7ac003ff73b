-- What share of the jobs that reached an end did so because their last permitted attempt failed?
WITH
{% set columns = "event, job_id, job_type, job_state, attempt, max_attempts, error_type, service, trace_id" %}{% include '_events.sql' %},
{% include '_jobs.sql' %}
SELECT count() AS ended, countIf(ended_jobs.exhausted) AS exhausted, if(ended = 0, NULL, countIf(ended_jobs.exhausted) / ended) AS rate
FROM ended_jobs

-- What remains of their jobs.
INSERT INTO jobs (tenant, workflow_type, environment, instance_id, settlement, departed_at, first_at, last_at, job_id, events)
SELECT tenant, workflow_type, environment, instance_id, {settlement:UInt64}, fromUnixTimestamp64Micro({now:Int64}, 'UTC'),
       min(job.effective_at), max(job.effective_at), job.job_id,
       groupArray((job.event_id, job.effective_at, job.job_type, job.job_state, job.attempt, job.max_attempts, job.error_type,
                   job.service, job.trace_id, job.workflow_version))
FROM (
    SELECT tenant, workflow_type, environment, instance_id, events FROM {% include 'settling/_departing.sql' %}
) ARRAY JOIN events AS job
WHERE job.event = 'job'
GROUP BY tenant, workflow_type, environment, instance_id, job.job_id

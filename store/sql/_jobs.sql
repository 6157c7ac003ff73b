{# What each job's last event up to the settled watermark says: `ended_jobs`, from either source (_path.sql). #}
{% if source == 'settled' %}
unique_events AS (
    SELECT environment, instance_id, 'job' AS event, job.event_id AS event_id, job.effective_at AS effective_at, job.job_id AS job_id,
           toString(job.job_type) AS job_type, toString(job.job_state) AS job_state, job.attempt AS attempt,
           job.max_attempts AS max_attempts, toString(job.error_type) AS error_type, toString(job.service) AS service,
           job.trace_id AS trace_id,
           if(job.workflow_version = '', {newest_version:String}, toString(job.workflow_version)) AS judged_version
    FROM (
        SELECT environment, instance_id, events FROM {% include '_open.sql' %}
        AND last_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC')
    ) ARRAY JOIN events AS job
    WHERE job.event = 'job'
    UNION ALL
    SELECT environment, instance_id, 'job' AS event, job.event_id AS event_id, job.effective_at AS effective_at, job_id,
           toString(job.job_type) AS job_type, toString(job.job_state) AS job_state, job.attempt AS attempt,
           job.max_attempts AS max_attempts, toString(job.error_type) AS error_type, toString(job.service) AS service,
           job.trace_id AS trace_id,
           if(job.workflow_version = '', {newest_version:String}, toString(job.workflow_version)) AS judged_version
    FROM (
        SELECT environment, instance_id, job_id, events FROM jobs
        {% include '_departed.sql' %}
          AND last_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC')
          AND first_at < fromUnixTimestamp64Micro({to:Int64}, 'UTC')
    ) ARRAY JOIN events AS job
),
{% else %}
{% set columns = "event, job_id, job_type, job_state, attempt, max_attempts, error_type, service, trace_id" %}{% include '_events.sql' %},
{% endif %}
last_of_job AS (
    SELECT environment, instance_id, job_id,
           argMax((job_state, attempt, error_type, service, trace_id, judged_version, max_attempts, effective_at),
                  (effective_at, ifNull(attempt, -1),
                   indexOf(['enqueued', 'started', 'failed', 'succeeded', 'cancelled', 'exhausted'], toString(job_state)),
                   event_id)) AS last,
           max(max_attempts) AS named_max, argMax(job_type, (job_type != '', effective_at, event_id)) AS job_type
    FROM unique_events
    WHERE event = 'job' AND effective_at < fromUnixTimestamp64Micro(least({to:Int64}, {settled:Int64}), 'UTC')
    GROUP BY environment, instance_id, job_id
),
ended_jobs AS (
    SELECT environment, instance_id, job_id, job_type, last.1 AS state, last.2 AS attempt, last.3 AS error_type,
           last.4 AS service, last.5 AS trace_id, last.8 AS ended_at,
           indexOf({job_keys:Array(String)}, concat(last.6, '\0', job_type)) AS limit_at,
           coalesce(last.7, named_max, if(limit_at = 0, NULL, {job_max_attempts:Array(Nullable(Int64))}[limit_at])) AS allowed,
           state = 'exhausted' OR (state = 'failed' AND ifNull(attempt >= allowed, 0)) AS exhausted
    FROM last_of_job
    WHERE (exhausted OR state IN ('succeeded', 'cancelled'))
      AND ended_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC')
)

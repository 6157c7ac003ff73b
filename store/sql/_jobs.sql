{# What each job's last event up to the settled watermark says. #}
job_types AS (
    SELECT workflow_version AS version, j.job_type AS job_type, j.max_attempts AS max_attempts
    FROM definition ARRAY JOIN jobs AS j
),
last_of_job AS (
    SELECT environment, instance_id, job_id,
           argMax((job_state, attempt, error_type, service, trace_id, judged_version, max_attempts, effective_at),
                  (effective_at, ifNull(attempt, -1),
                   indexOf(['enqueued', 'started', 'failed', 'succeeded', 'cancelled', 'exhausted'], toString(job_state)),
                   event_id)) AS last,
           max(max_attempts) AS named_max, argMax(job_type, (job_type != '', effective_at, event_id)) AS job_type
    FROM unique_events
    WHERE event = 'job'
      AND effective_at < fromUnixTimestamp64Micro(least({to:Int64}, {settled:Int64}), 'UTC')
    GROUP BY environment, instance_id, job_id
),
ended_jobs AS (
    SELECT j.environment AS environment, j.instance_id AS instance_id, j.job_id AS job_id, j.job_type AS job_type,
           last.1 AS state, last.2 AS attempt, last.3 AS error_type, last.4 AS service, last.5 AS trace_id,
           last.8 AS ended_at,
           coalesce(last.7, named_max, t.max_attempts) AS allowed,
           state = 'exhausted' OR (state = 'failed' AND ifNull(attempt >= allowed, 0)) AS exhausted
    FROM last_of_job AS j
    LEFT JOIN job_types AS t ON t.version = last.6 AND t.job_type = j.job_type
    WHERE (exhausted OR state IN ('succeeded', 'cancelled'))
      AND ended_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC')
)

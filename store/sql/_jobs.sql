{# What each job's last event up to the settled watermark says. #}
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

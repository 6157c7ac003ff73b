{# From the path to one row a run: where it stands now, and whether that is too long. Parameters: flushed,
   longer_than (NULL: the limits of the definition). #}
runs AS (
    SELECT environment, instance_id, toUInt32(run) AS run, toUInt32(last_run) AS last_run, to_state AS state, status,
           terminal, workflow_version, effective_at AS entered_at, started_at, start_unseen, event_id AS entering_event_id,
           visible_at, completed_at, clock_entry, ended_how, ended_at, service, trace_id, probe,
           dateDiff('microsecond', effective_at, fromUnixTimestamp64Micro({flushed:Int64}, 'UTC')) / 1e6 AS state_age,
           dateDiff('microsecond', started_at, fromUnixTimestamp64Micro({flushed:Int64}, 'UTC')) / 1e6 AS run_age,
           if({longer_than:Nullable(Float64)} IS NULL, limit_seconds, {longer_than:Nullable(Float64)}) AS state_limit,
           if({longer_than:Nullable(Float64)} IS NULL AND NOT start_unseen, run_limit, NULL) AS run_limit,
           run = last_run AND ended_how = 'open' AS open,
           open AND ifNull(state_age > state_limit, 0) AS stuck_in_state,
           open AND ifNull(run_age > run_limit, 0) AS stuck_in_run
    FROM path
    WHERE n = last_n
)

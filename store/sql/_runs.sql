{# From the path to one row a run: where it stands now, and whether that is too long. Parameters: flushed,
   longer_than (NULL: the limits of the definition). #}
run_ages AS (
    SELECT environment, instance_id, toUInt32(run) AS run, toUInt32(last_run) AS last_run, went_to AS state, status,
           terminal, effective_at AS entered_at, started_at, start_unseen, event_id AS entering_event_id,
           visible_at, completed_at, clock_entry, end.1 AS ended_at, end.2 AS ended_how, about, probe,
           dateDiff('microsecond', effective_at, fromUnixTimestamp64Micro({flushed:Int64}, 'UTC')) / 1e6 AS state_age,
           dateDiff('microsecond', started_at, fromUnixTimestamp64Micro({flushed:Int64}, 'UTC')) / 1e6 AS run_age,
           if({longer_than:Nullable(Float64)} IS NULL, limit_seconds, {longer_than:Nullable(Float64)}) AS state_limit,
           if({longer_than:Nullable(Float64)} IS NULL AND NOT start_unseen AND version_at != 0,
              {version_limit:Array(Nullable(Float64))}[version_at], NULL) AS run_limit,
           run = last_run AND end.2 = 'open' AS open
    FROM path
    WHERE n = last_n
),
runs AS (
    SELECT *,
           open AND ifNull(state_age > state_limit, 0) AS stuck_in_state,
           open AND ifNull(run_age > run_limit, 0) AS stuck_in_run
    FROM run_ages
)

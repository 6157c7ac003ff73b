{# From the path to every stay in a state, with the one before a start seen mid-life where its entry is known. #}
found_stays AS (
    SELECT environment, instance_id, run, visit, link, event_id, about.1 AS workflow_version,
           arrayConcat(
               if(unseen AND entered_at IS NOT NULL,
                  [(0, came_from, if(from_at = 0, '', {state_status:Array(String)}[from_at]),
                    if(from_at = 0, 0, {state_terminal:Array(UInt8)}[from_at]), entered_at, toNullable(effective_at),
                    if(version_at = 0 OR from_at = 0, NULL, {state_limit:Array(Nullable(Float64))}[from_at]), NULL, '')],
                  []),
               [(1, went_to, status, terminal, toNullable(effective_at),
                 if(left_at IS NULL AND end.3 AND NOT terminal, end.1, left_at), limit_seconds, declared, act)]) AS found
    FROM path
    WHERE moves
),
stays AS (
    SELECT environment, instance_id, run, if(stay.1 = 0, 0, visit) AS visit, stay.2 AS state, stay.3 AS status,
           stay.4 AS terminal, stay.5 AS entered_at, stay.6 AS left_at, stay.7 AS limit_seconds, stay.8 AS declared,
           stay.9 AS act, link, event_id, workflow_version
    FROM found_stays
    ARRAY JOIN found AS stay
)

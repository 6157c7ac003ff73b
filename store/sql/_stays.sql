{# From the path to every stay in a state, with the one before a start seen mid-life where its entry is known. #}
stays AS (
    SELECT environment, instance_id, run, if(stay.1 = 0, 0, visit) AS visit, stay.2 AS state, stay.3 AS status,
           stay.4 AS terminal, stay.5 AS entered_at, stay.6 AS left_at, stay.7 AS limit_seconds, stay.8 AS declared,
           stay.9 AS action, link, event_id, workflow_version
    FROM (
        SELECT environment, instance_id, run, visit, link, event_id, workflow_version,
               (1, to_state, toString(status), terminal, toNullable(effective_at),
                if(left_at IS NULL AND seen_done AND NOT terminal, ended_at, left_at), limit_seconds, declared, action) AS present,
               (0, from_state, toString(before_status), before_terminal, entered_at, toNullable(effective_at),
                before_limit, NULL, '') AS before,
               if(unseen AND entered_at IS NOT NULL, [before, present], [present]) AS found
        FROM path
        WHERE moves
    )
    ARRAY JOIN found AS stay
)

{# From runs to one completion clock each. #}
clocks AS (
    SELECT *,
           multiIf({clock_starts:String} = '' OR start_unseen, toNullable(started_at),
                   clock_entry IS NOT NULL, clock_entry,
                   run > 1, toNullable(started_at),
                   NULL) AS clock_start
    FROM runs
)

{# From unique events to the path of every instance (docs/figures.md, 2 to 4). Ends without a comma.
   Gives `path`: a row for each committed transition and visible event in order, with its place n, its visit, its run, and how
   that run ended. Rows with `moves` began a visit; they alone carry left_at, link and visit.
   `live` leaves out unsequenced transitions that are not settled yet (parameter settled); `probes` keeps probe instances. #}
-- the key that orders: under time order the instant alone, ties are linked below
candidates AS (
    SELECT environment, instance_id, event_id, effective_at, event = 'visible' AS is_visible, sequence,
           toString(from_state) AS from_state, toString(to_state) AS to_state, toString(action) AS action, key,
           workflow_version, judged_version, judged, entered_at, service, service_version, actor_type, trace_id, probe,
           if(by_sequence, ifNull(sequence, ifNull(max(sequence) OVER (
               PARTITION BY environment, instance_id ORDER BY effective_at, event_id
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), -1)), 0) AS filled,
           by_sequence AND sequence IS NULL AS unsequenced
    FROM unique_events
    WHERE ((event = 'transition' AND outcome IN ('committed', '')) OR event = 'visible')
    {%- if not probes %}
      AND NOT probe
    {%- endif %}
),
-- a later transition with the key of an earlier one is a replay or a conflict: it moves nothing
copies AS (
    SELECT *,
           if(is_visible OR key = '', 1, row_number() OVER (
               PARTITION BY environment, instance_id, is_visible, key
               ORDER BY filled, unsequenced, effective_at, event_id)) AS copy
    FROM candidates
    {%- if live %}
    WHERE NOT (unsequenced AND NOT is_visible
               AND effective_at >= fromUnixTimestamp64Micro({settled:Int64}, 'UTC'))
    {%- endif %}
),
-- judged when read, never when stored: a corrected definition applies to what has been
judged_events AS (
    SELECT *,
           if(judged, of_terminal, newest_terminal) AS terminal,
           if(judged, of_status, newest_status) AS status,
           if(judged, of_limit, NULL) AS limit_seconds,
           if(judged, edge_found = 1, NULL) AS declared,
           if(judged, from_terminal, newest_from_terminal) AS before_terminal,
           if(judged, from_status, newest_from_status) AS before_status,
           if(judged, from_limit, NULL) AS before_limit,
           if(judged, version_limit, NULL) AS run_limit
    FROM copies
    LEFT JOIN (
        SELECT workflow_version AS of_version, s.name AS of_state, s.status AS of_status, s.terminal AS of_terminal,
               s.stuck_after AS of_limit, stuck_after AS version_limit
        FROM definition ARRAY JOIN states AS s
    ) AS own ON of_version = judged_version AND of_state = to_state
    LEFT JOIN (
        SELECT s.name AS newest_state, s.status AS newest_status, s.terminal AS newest_terminal
        FROM definition ARRAY JOIN states AS s WHERE newest
    ) AS fallback ON newest_state = to_state
    LEFT JOIN (
        SELECT workflow_version AS from_version, s.name AS from_name, s.status AS from_status,
               s.terminal AS from_terminal, s.stuck_after AS from_limit
        FROM definition ARRAY JOIN states AS s
    ) AS own_from ON from_version = judged_version AND from_name = from_state
    LEFT JOIN (
        SELECT s.name AS newest_from, s.status AS newest_from_status, s.terminal AS newest_from_terminal
        FROM definition ARRAY JOIN states AS s WHERE newest
    ) AS fallback_from ON newest_from = from_state
    -- an event without an action is judged by its states alone: the row with the empty action
    LEFT JOIN (
        SELECT workflow_version AS edge_version, e.from_state AS edge_from, e.to_state AS edge_to, edge_action,
               max(e.reenter) AS reenter, 1 AS edge_found
        FROM definition ARRAY JOIN edges AS e ARRAY JOIN arrayDistinct([e.action, '']) AS edge_action
        GROUP BY edge_version, edge_from, edge_to, edge_action
    ) AS edge ON edge_version = judged_version AND edge_from = from_state AND edge_to = to_state AND edge_action = action
    WHERE copy = 1
),
-- Under time order, transitions of one instant are so ordered that as few as possible break the chain, then by
-- event id. The fold goes from group to group of ties with the state reached; within a group, partial orders
-- (breaks, places, state reached) grow by one event a step and the best 256 stay.
chains AS (
    SELECT environment, instance_id,
           arraySort(groupArrayIf((effective_at, event_id, from_state, to_state), NOT is_visible)) AS chain,
           arraySplit((a, b) -> a.1 != b.1, chain, arrayPushFront(arrayPopBack(chain), chain[1])) AS groups,
           if(by_sequence OR length(groups) = length(chain), [], arrayFold(
               (done, ties) -> arrayMap(best -> (
                       arrayConcat(done.1, arrayMap(at -> ties[at].2, best.2)),
                       best.3
                   ), [arrayFold(
                       (partials, step) -> arraySlice(arraySort(arrayFlatten(arrayMap(
                           partial -> arrayMap(
                               at -> (
                                   toUInt32(partial.1 + (ties[at].3 != partial.3)),
                                   arrayPushBack(partial.2, toUInt32(at)),
                                   ties[at].4
                               ),
                               arrayFilter(at -> NOT has(partial.2, at), arrayEnumerate(ties))),
                           partials))), 1, 256),
                       ties,
                       [(toUInt32(0), CAST([], 'Array(UInt32)'), done.2)]
                   )[1]])[1],
               groups,
               (CAST([], 'Array(String)'), '')
           ).1) AS linked,
           groupArray((sequence, key, workflow_version, judged_version, judged, entered_at, service, service_version,
                       actor_type, trace_id, probe, filled, unsequenced, terminal, status, limit_seconds, declared,
                       before_terminal, before_status, before_limit, run_limit, ifNull(reenter AND declared, 0),
                       effective_at, event_id, from_state, to_state, action, is_visible)) AS rows
    FROM judged_events
    GROUP BY environment, instance_id
),
placed AS (
    SELECT environment, instance_id,
           row.1 AS sequence, row.2 AS key, row.3 AS workflow_version, row.4 AS judged_version, row.5 AS judged,
           row.6 AS entered_at, row.7 AS service, row.8 AS service_version, row.9 AS actor_type, row.10 AS trace_id,
           row.11 AS probe, row.14 AS terminal, row.15 AS status, row.16 AS limit_seconds, row.17 AS declared,
           row.18 AS before_terminal, row.19 AS before_status, row.20 AS before_limit, row.21 AS run_limit,
           row.22 AS reenters, row.23 AS effective_at, row.24 AS event_id, row.25 AS from_state, row.26 AS to_state,
           row.27 AS action, row.28 AS is_visible,
           row_number() OVER (
               PARTITION BY environment, instance_id
               ORDER BY row.12, row.13, row.23, if(by_sequence, row.24, ''), row.28, indexOf(linked, row.24), row.24
           ) AS n
    FROM chains ARRAY JOIN rows AS row
),
neighbours AS (
    SELECT *,
           row_number() OVER w AS step,
           count() OVER w AS steps,
           lagInFrame(to_state, 1, '') OVER w AS previous_to,
           lagInFrame(to_state, 2, '') OVER w AS previous_previous_to,
           lagInFrame(from_state, 1, '') OVER w AS previous_from,
           lagInFrame(effective_at, 1, effective_at) OVER w AS previous_at,
           lagInFrame(sequence, 1) OVER w AS previous_sequence,
           leadInFrame(from_state, 1, '') OVER w AS next_from,
           leadInFrame(to_state, 1, '') OVER w AS next_to,
           leadInFrame(effective_at, 1, effective_at) OVER w AS next_at,
           NOT is_visible AND NOT (step > 1 AND from_state = to_state AND to_state = previous_to AND NOT reenters) AS moves
    FROM placed
    WINDOW w AS (PARTITION BY environment, instance_id, is_visible ORDER BY n
                 ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
),
visits AS (
    SELECT *,
           row_number() OVER w AS visit,
           leadInFrame(toNullable(effective_at), 1, NULL) OVER w AS left_at,
           moves AND (step = 1 OR (lagInFrame(terminal, 1, 0) OVER w AND NOT terminal)) AS starts_run,
           moves AND step = 1 AND from_state != '' AS unseen,
           multiIf(
               step = 1, if(from_state = '', 'start', 'unseen'),
               from_state = previous_to, 'linked',
               -- exchanged with the one before, both would be linked
               abs(dateDiff('microsecond', previous_at, effective_at)) < 1000000
                   AND from_state = previous_previous_to AND previous_from = to_state, 'skew',
               -- exchanged with the one after, both would be linked
               step < steps AND abs(dateDiff('microsecond', effective_at, next_at)) < 1000000
                   AND next_from = previous_to AND from_state = next_to, 'skew',
               sequence IS NOT NULL AND previous_sequence IS NOT NULL AND sequence - previous_sequence > 1, 'gap',
               'discontinuity') AS link
    FROM neighbours
    WINDOW w AS (PARTITION BY environment, instance_id, moves ORDER BY n
                 ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
),
in_runs AS (
    SELECT *,
           greatest(1, sum(starts_run) OVER (PARTITION BY environment, instance_id ORDER BY n
                                             ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) AS run,
           sum(starts_run) OVER (PARTITION BY environment, instance_id) AS last_run
    FROM visits
),
path AS (
    SELECT *,
           if(countIf(is_visible) OVER r = 0, NULL, argMinIf(effective_at, n, is_visible) OVER r) AS visible_at,
           if(countIf(moves AND terminal) OVER r = 0, NULL, argMinIf(effective_at, n, moves AND terminal) OVER r) AS terminal_at,
           argMinIf(status, n, moves AND terminal) OVER r AS terminal_status,
           if(countIf(moves AND status = 'completed') OVER r = 0, NULL,
              argMinIf(effective_at, n, moves AND status = 'completed') OVER r) AS completed_at,
           if(countIf(moves AND to_state = clock_starts) OVER r = 0, NULL,
              argMinIf(effective_at, n, moves AND to_state = clock_starts) OVER r) AS clock_entry,
           argMinIf(effective_at, n, moves) OVER r AS started_at,
           argMaxIf(n, n, moves) OVER r AS last_n,
           argMaxIf((terminal, status, effective_at), n, moves) OVER r AS last_move,
           max(unseen) OVER r AS start_unseen,
           visible_at IS NOT NULL AND (visible_step OR NOT has_definition) AS seen_done,
           multiIf(seen_done, 'completed',
                   NOT visible_step AND terminal_at IS NOT NULL,
                       if(terminal_status = 'completed', 'completed', 'ended_otherwise'),
                   visible_step AND last_move.1 AND last_move.2 != 'completed', 'ended_otherwise',
                   'open') AS ended_how,
           multiIf(seen_done, visible_at,
                   NOT visible_step AND terminal_at IS NOT NULL, terminal_at,
                   visible_step AND last_move.1 AND last_move.2 != 'completed', toNullable(last_move.3),
                   NULL) AS ended_at
    FROM in_runs
    WINDOW r AS (PARTITION BY environment, instance_id, run)
)

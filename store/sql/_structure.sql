{# From unique events to the path of every instance (docs/figures.md, 2 to 4). Ends without a comma.
   Gives `structure`: a row for each committed transition and visible event in order, with its place n, its visit, its run, and how
   that run ended: all that does not change with what the definitions in force judge or allow. Rows with `moves` began a
   visit; they alone carry left_at, link and visit. `live` leaves out unsequenced transitions that are not settled yet;
   `probes` keeps probe instances. What the definitions say of a type comes as the expressions below: parameters where
   one type is asked about, looked up by environment where a settlement has many (_settling_types.sql). #}
{% if not settling %}
{% set newest = "{newest_version:String}" %}
{% set settled_at = "fromUnixTimestamp64Micro({settled:Int64}, 'UTC')" %}
{% set starts = "{clock_starts:String}" %}
{% set visible_step = "{visible_step:UInt8}" %}
{% set has_definition = "{has_definition:UInt8}" %}
{% endif %}
-- the key that orders: under time order the instant alone, ties are linked below
candidates AS (
    SELECT environment, instance_id, event_id, effective_at, event = 'visible' AS is_visible, sequence,
           toString(from_state) AS came_from, toString(to_state) AS went_to, toString(action) AS act, key, entered_at,
           (workflow_version, service, service_version, actor_type, trace_id) AS about, class_, probe, judged_version,
           {%- if by_sequence %}
           ifNull(sequence, ifNull(max(sequence) OVER (
               PARTITION BY environment, instance_id ORDER BY effective_at, event_id
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), -1)) AS filled,
           sequence IS NULL AS unsequenced
           {%- else %}
           0 AS filled, 0 AS unsequenced
           {%- endif %}
    FROM unique_events
    WHERE ((event = 'transition' AND outcome IN ('committed', '')) OR event = 'visible')
    {%- if not probes %}
      AND NOT probe
    {%- endif %}
),
-- a later transition with the key of an earlier one is a replay or a conflict: it moves nothing
copies AS (
    SELECT environment, instance_id, event_id, effective_at, is_visible, sequence, came_from, went_to, act, entered_at,
           about, class_, probe, judged_version, filled, unsequenced,
           has({declared_versions:Array(String)}, judged_version) AS judged,
           if(judged, judged_version, {{{ newest }}}) AS known_version,
           if(is_visible OR key = '', 1, row_number() OVER (
               PARTITION BY environment, instance_id, is_visible, key
               ORDER BY filled, unsequenced, effective_at, event_id)) AS copy
    FROM candidates
    {%- if live and by_sequence %}
    WHERE NOT (unsequenced AND NOT is_visible
               AND effective_at >= {{{ settled_at }}})
    {%- endif %}
),
of_states AS (
    SELECT environment, instance_id, event_id, effective_at, is_visible, sequence, came_from, went_to, act, entered_at,
           about, class_, probe, filled, unsequenced,
           indexOf({state_keys:Array(String)}, concat(known_version, '\0', went_to)) AS state_at,
           has({reenter_keys:Array(String)}, concat(judged_version, '\0', came_from, '\0', went_to, '\0', act)) AS reenters
    FROM copies
    WHERE copy = 1
),
{% if by_sequence %}
placed AS (
    SELECT *, row_number() OVER (
               PARTITION BY environment, instance_id ORDER BY filled, unsequenced, effective_at, event_id) AS n
    FROM of_states
),
{% else %}
-- Transitions of one instant are so ordered that as few as possible break the chain, then by event id. The fold goes
-- from group to group of ties with the state reached; within a group, partial orders (breaks, places, state
-- reached) grow by one event a step and the best 256 stay. The first twelve are so ordered, the others follow by id:
-- what one instance costs must not grow with the square of what somebody writes at one instant.
chains AS (
    SELECT environment, instance_id,
           arraySort(groupArrayIf((effective_at, event_id, came_from, went_to), NOT is_visible)) AS chain,
           groupArray((effective_at, event_id, is_visible, came_from, went_to, act, sequence, entered_at, about, probe,
                       class_, state_at, reenters)) AS rows
    FROM of_states
    GROUP BY environment, instance_id
),
grouped AS (
    SELECT environment, instance_id, rows,
           arraySplit((a, b) -> a.1 != b.1, chain, arraySlice(arrayPushFront(chain, chain[1]), 1, length(chain))) AS groups,
           length(chain) AS links
    FROM chains
),
linked AS (
    SELECT environment, instance_id, rows,
           if(length(groups) = links, CAST([], 'Array(String)'), arrayFold(
               (done, ties) -> arrayMap(best -> (
                       arrayConcat(done.1, arrayMap(at -> ties[at].2, best.2), arrayMap(tie -> tie.2, arraySlice(ties, 13))),
                       if(length(ties) > 12, ties[-1].4, best.3)
                   ), [arrayFold(
                       (partials, step) -> arraySlice(arraySort(arrayFlatten(arrayMap(
                           partial -> arrayMap(
                               at -> (
                                   toUInt32(partial.1 + (ties[at].3 != partial.3)),
                                   arrayPushBack(partial.2, toUInt32(at)),
                                   ties[at].4
                               ),
                               arrayFilter(at -> NOT has(partial.2, at), arrayEnumerate(arraySlice(ties, 1, 12)))),
                           partials))), 1, 256),
                       arraySlice(ties, 1, 12),
                       [(toUInt32(0), CAST([], 'Array(UInt32)'), done.2)]
                   )[1]])[1],
               groups,
               (CAST([], 'Array(String)'), '')
           ).1) AS ordered
    FROM grouped
),
placed AS (
    SELECT environment, instance_id, row.1 AS effective_at, row.2 AS event_id, row.3 AS is_visible, row.4 AS came_from,
           row.5 AS went_to, row.6 AS act, row.7 AS sequence, row.8 AS entered_at, row.9 AS about, row.10 AS probe,
           row.11 AS class_, row.12 AS state_at, row.13 AS reenters,
           row_number() OVER (
               PARTITION BY environment, instance_id
               ORDER BY row.1, row.3, indexOf(ordered, row.2), row.2) AS n
    FROM linked ARRAY JOIN rows AS row
),
{% endif %}
neighbours AS (
    SELECT environment, instance_id, event_id, effective_at, is_visible, sequence, came_from, went_to, act, entered_at,
           about, class_, probe, reenters, n,
           if(state_at = 0, 0, {state_terminal:Array(UInt8)}[state_at]) AS terminal,
           if(state_at = 0, '', {state_status:Array(String)}[state_at]) AS status,
           row_number() OVER w AS step,
           count() OVER w AS steps,
           lagInFrame((came_from, went_to, effective_at, sequence), 1) OVER w AS previous,
           lagInFrame(went_to, 2, '') OVER w AS previous_previous_to,
           leadInFrame((came_from, went_to, effective_at), 1) OVER w AS next
    FROM placed
    WINDOW w AS (PARTITION BY environment, instance_id, is_visible ORDER BY n
                 ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
),
moving AS (
    SELECT environment, instance_id, event_id, effective_at, is_visible, came_from, went_to, act, entered_at, about, class_, probe,
           n, step, terminal, status,
           NOT is_visible AND NOT (step > 1 AND came_from = went_to AND went_to = previous.2 AND NOT reenters) AS moves,
           multiIf(
               step = 1, if(came_from = '', 'start', 'unseen'),
               came_from = previous.2, 'linked',
               -- exchanged with the one before, both would be linked
               abs(dateDiff('microsecond', previous.3, effective_at)) < 1000000
                   AND came_from = previous_previous_to AND previous.1 = went_to, 'skew',
               -- exchanged with the one after, both would be linked
               step < steps AND abs(dateDiff('microsecond', effective_at, next.3)) < 1000000
                   AND next.1 = previous.2 AND came_from = next.2, 'skew',
               sequence IS NOT NULL AND previous.4 IS NOT NULL AND sequence - previous.4 > 1, 'gap',
               'discontinuity') AS link
    FROM neighbours
),
visits AS (
    SELECT environment, instance_id, event_id, effective_at, is_visible, came_from, went_to, act, entered_at, about, class_, probe,
           n, terminal, status, moves, link,
           moves AND step = 1 AND came_from != '' AS unseen,
           row_number() OVER w AS visit,
           leadInFrame(toNullable(effective_at), 1, NULL) OVER w AS left_at,
           moves AND (step = 1 OR (lagInFrame(terminal, 1, 0) OVER w AND NOT terminal)) AS starts_run
    FROM moving
    WINDOW w AS (PARTITION BY environment, instance_id, moves ORDER BY n
                 ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
),
in_runs AS (
    SELECT *,
           greatest(1, sum(starts_run) OVER (PARTITION BY environment, instance_id ORDER BY n
                                             ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) AS run,
           sum(starts_run) OVER (PARTITION BY environment, instance_id) AS last_run,
           -- when the run after this row's began
           argMinIf(toNullable(effective_at), n, starts_run) OVER (PARTITION BY environment, instance_id ORDER BY n
                                                             ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS superseded
    FROM visits
),
of_runs AS (
    SELECT *,
           argMinIf(toNullable(effective_at), n, is_visible) OVER r AS visible_at,
           argMinIf((toNullable(effective_at), status), n, moves AND terminal) OVER r AS first_terminal,
           argMinIf(toNullable(effective_at), n, moves AND status = 'completed') OVER r AS completed_at,
           argMinIf(toNullable(effective_at), n, moves AND went_to = {{{ starts }}}) OVER r AS clock_entry,
           argMinIf(effective_at, n, moves) OVER r AS started_at,
           maxIf(n, moves) OVER r AS last_n,
           argMaxIf((terminal AND status != 'completed', effective_at, superseded), n, moves) OVER r AS last_move,
           max(unseen) OVER r AS start_unseen
    FROM in_runs
    WINDOW r AS (PARTITION BY environment, instance_id, run)
),
structure AS (
    SELECT environment, instance_id, event_id, effective_at, is_visible, came_from, went_to, act, class_, entered_at, about, probe,
           n, moves, link, unseen, visit, left_at, run, last_run, started_at, start_unseen, visible_at, completed_at,
           clock_entry, last_n,
           multiIf(visible_at IS NOT NULL AND ({{{ visible_step }}} OR NOT {{{ has_definition }}}),
                       (visible_at, 'completed', 1),
                   NOT {{{ visible_step }}} AND first_terminal.1 IS NOT NULL,
                       (first_terminal.1, if(first_terminal.2 = 'completed', 'completed', 'ended_otherwise'), 0),
                   {{{ visible_step }}} AND last_move.1, (toNullable(last_move.2), 'ended_otherwise', 0),
                   last_move.3 IS NOT NULL, (last_move.3, 'ended_otherwise', 0),
                   (NULL, 'open', 0)) AS end
    FROM of_runs
)

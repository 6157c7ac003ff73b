{# From unique events to the path of every instance (docs/figures.md, 2 to 4). Ends without a comma.
   Gives `paths`, a row an instance: its events in order, and beside them, in arrays of the same length, what the path says of
   each; and its runs. Nothing here changes with what the definitions in force judge or allow. Everything is done within
   the arrays of an instance: window functions, which sort everything once for each kind of window, take twice as long.
   `live` leaves out unsequenced transitions that are not settled yet; `probes` keeps probe instances. What the definitions
   say of a type comes as the expressions below: parameters where one type is asked about, looked up by environment where
   a settlement has many (settling/update.sql). `payload` is what goes along with each event.

   Off the path, n = 0, are jobs, outbox records, what did not commit, and copies: a later transition with the key of an
   earlier one is a replay or a conflict, it moves nothing. `steps` are the transitions on the path, others are visible events.

   An event is a tuple: 1 its place in order, 2 effective_at, 3 is it `visible`, 4 may it count as a step, 5 from_state, 6 to_state,
   7 key, 8 sequence, 9 its state (bit 1: terminal, bit 2: completed), 10 is that where the clock starts, 11 does its edge enter the
   state again, 12 the payload. `paths` gives `steps`: 1 the event, 2 n, 3 moves, 4 link, 5 unseen, 6 visit, 7 left_at, 8 run;
   and `runs`: 1 run, 2 started_at, 3 start_unseen, 4 visible_at, 5 completed_at, 6 clock_entry, 7 end, 8 last_n. #}
{% if not settling %}
{% set newest = "{newest_version:String}" %}
{% set settled_at = "fromUnixTimestamp64Micro({settled:Int64}, 'UTC')" %}
{% set starts = "{clock_starts:String}" %}
{% set visible_step = "{visible_step:UInt8}" %}
{% set has_definition = "{has_definition:UInt8}" %}
{% endif %}
{% macro before(array, first) %}arrayPushFront(arrayPopBack({{{ array }}}), {{{ first }}}){% endmacro %}
{% macro after(array, last) %}arrayPushBack(arrayPopFront({{{ array }}}), {{{ last }}}){% endmacro %}
{% if not settling %}
{% set payload = "(event_id, toString(action), toString(class_), entered_at, (workflow_version, service, service_version, actor_type, trace_id), probe)" %}
{% endif %}
{% set transition = "event = 'transition' AND outcome IN ('committed', '')" %}
candidates AS (
    SELECT *,
           if(has({declared_versions:Array(String)}, judged_version), judged_version, {{{ newest }}}) AS known_version,
           transform(concat(known_version, '\0', to_state), arrayPushBack({state_keys:Array(String)}, ''),
                     arrayPushBack(arrayMap((ends, status) -> toUInt8(ends + 2 * (status = 'completed')),
                                            {state_terminal:Array(UInt8)}, {state_status:Array(String)}), 0),
                     toUInt8(0)) AS of_state,
           {%- if by_sequence %}
           -- an event without a sequence comes after the highest before it
           ifNull(sequence, ifNull(max(if({{{ transition }}} OR event = 'visible', sequence, NULL)) OVER (
               PARTITION BY environment, instance_id ORDER BY effective_at, event_id
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), -1)) AS filled,
           {%- endif %}
           {%- if live and by_sequence %}
           {{{ transition }}} AND sequence IS NULL AND effective_at >= {{{ settled_at }}} AS unripe,
           {{{ transition }}} AND NOT unripe AS counts
           {%- else %}
           {{{ transition }}} AS counts
           {%- endif %}
    FROM unique_events
    {%- if not settling %}
    WHERE ({{{ transition }}} OR event = 'visible') {% if not probes %}AND NOT probe{% endif %}
    {%- endif %}
),
-- in order: under time order by the instant alone, ties are linked below
histories AS (
    SELECT environment, instance_id,
           {%- if settling %}
           {{{ aggregates }}},
           {%- endif %}
           arraySort(groupArray((
               {%- if by_sequence %}
               (filled, sequence IS NULL, effective_at, event_id),
               {%- else %}
               (effective_at, event = 'visible', event_id),
               {%- endif %}
               effective_at, event = 'visible', counts, toString(from_state), toString(to_state), key, sequence, of_state,
               went_to_start, reenters, {{{ payload }}}))) AS found
    FROM (
        SELECT *, to_state = {{{ starts }}} AS went_to_start,
               has({reenter_keys:Array(String)}, concat(judged_version, '\0', from_state, '\0', to_state, '\0', action)) AS reenters
        FROM candidates
    )
    GROUP BY environment, instance_id
),
uncopied AS (
    SELECT * EXCEPT (found),
           arrayMap((key, counts) -> if(counts, key, ''), found.7, found.4) AS keys,
           arrayZip(found, if(arrayExists(key -> key != '', keys),
                              arrayMap((counts, key, time) -> counts AND (key = '' OR time = 1), found.4, keys, arrayEnumerateUniq(keys)),
                              found.4)) AS untied
    FROM histories
),
{% if by_sequence %}
sorted AS (
    SELECT * EXCEPT (keys, untied), untied.1 AS rows, untied.2 AS steps
    FROM uncopied
),
{% else %}
-- Transitions of one instant are so ordered that as few as possible break the chain, then by event id. The fold goes
-- from group to group of ties with the state reached; within a group, partial orders (breaks, places, state
-- reached) grow by one event a step and the best 256 stay. The first twelve are so ordered, the others follow by id:
-- what one instance costs must not grow with the square of what somebody writes at one instant.
grouped AS (
    SELECT * EXCEPT (keys),
           arrayMap(row -> (row.1.2, row.1.1.3, row.1.5, row.1.6), arrayFilter(row -> row.2, untied)) AS chain,
           arrayExists((a, b) -> a = b, arrayPopFront(chain.1), arrayPopBack(chain.1)) AS tied,
           if(tied, arraySplit((a, b) -> a.1 != b, chain, arraySlice(arrayPushFront(chain.1, chain.1[1]), 1, length(chain))), []) AS groups
    FROM uncopied
),
linked AS (
    SELECT * EXCEPT (chain, groups),
           if(NOT tied, CAST([], 'Array(String)'), arrayFold(
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
ranked AS (
    SELECT * EXCEPT (untied, tied, ordered), untied, tied,
           -- steps by id, and beside each its place in that order; what is no step follows
           arraySort(row -> (NOT row.2, row.1.1.3), if(tied, untied, [])) AS by_id,
           arrayResize(arraySort(arrayZip(ordered, arrayEnumerate(ordered))).2, length(by_id)) AS ranks
    FROM linked
),
sorted AS (
    SELECT * EXCEPT (untied, tied, by_id, ranks, in_order),
           if(tied, arraySort((row, rank) -> (row.1.1.1, row.1.1.2, rank, row.1.1.3), by_id, ranks), untied) AS in_order,
           in_order.1 AS rows, in_order.2 AS steps
    FROM ranked
),
{% endif %}
neighbours AS (
    SELECT * EXCEPT (rows), rows, rows.2 AS instants, rows.3 AS seen, rows.5 AS from_states, rows.6 AS to_states,
           arrayMap(state -> bitAnd(state, 1), rows.9) AS terminal,
           arrayMap((step, seen) -> step OR seen, steps, seen) AS on_path,
           arrayCumSum(steps) AS number,
           {{{ before("arrayFill((state, step) -> step, to_states, steps)", "''") }}} AS states_before,
           -- staying where it is moves nothing, unless the edge says that it is entered again
           arrayMap((step, number, came, went, was, reenters) -> step AND NOT (number > 1 AND came = went AND went = was AND NOT reenters),
                    steps, number, from_states, to_states, states_before, rows.11) AS moves
    FROM sorted
),
told AS (
    SELECT *,
           arrayMap((step, number, came, was, went, at, sequence, previous, was_before, next) -> multiIf(
                        NOT step, '',
                        number = 1, if(came = '', 'start', 'unseen'),
                        came = was, 'linked',
                        -- exchanged with the one before, both would be linked
                        abs(dateDiff('microsecond', previous.2, at)) < 1000000 AND came = was_before AND previous.1 = went, 'skew',
                        -- exchanged with the one after, both would be linked
                        number < arraySum(steps) AND abs(dateDiff('microsecond', at, next.3)) < 1000000
                            AND next.1 = was AND came = next.2, 'skew',
                        sequence - previous.3 > 1, 'gap',
                        'discontinuity'),
               steps, number, from_states, states_before, to_states, instants, rows.8,
               {{{ before("arrayFill((t, step) -> step, arrayZip(from_states, instants, rows.8), steps)", "('', toDateTime64(0, 6, 'UTC'), NULL)") }}},
               {{{ before("arrayFill((state, step) -> step, states_before, steps)", "''") }}},
               {{{ after("arrayReverseFill((t, step) -> step, arrayZip(from_states, to_states, instants), steps)", "('', '', toDateTime64(0, 6, 'UTC'))") }}}
           ) AS links
    FROM neighbours
),
visited AS (
    SELECT * EXCEPT (states_before, number, from_states, to_states),
           arrayCumSum(moves) AS visit,
           arrayMap((moves, visit, came) -> moves AND visit = 1 AND came != '', moves, visit, from_states) AS unseen,
           -- a run starts with the first visit, and where a visit that does not end it follows one that does
           arrayMap((moves, visit, ends, ended) -> moves AND (visit = 1 OR (ended AND NOT ends)), moves, visit, terminal,
                    {{{ before("arrayFill((ends, moves) -> moves, terminal, moves)", "toUInt8(0)") }}}) AS starts,
           arrayCumSum(starts) AS run
    FROM told
),
in_runs AS (
    SELECT *,
           arrayMap((on_path, n) -> toUInt32(if(on_path, n, 0)), on_path, arrayCumSum(on_path)) AS n,
           {{{ after("arrayReverseFill(at -> at IS NOT NULL, arrayMap((moves, at) -> if(moves, toNullable(at), NULL), moves, instants))", "NULL") }}} AS left_at,
           toUInt32(arraySum(starts)) AS last_run,
           arraySplit((row, starts, run) -> starts AND run > 1,
                      arrayZip(instants, moves, seen, terminal, rows.9, rows.10, unseen, n), starts, run) AS by_run,
           -- when the run after each began
           {{{ after("arrayFilter((at, starts) -> starts, CAST(instants, 'Array(Nullable(DateTime64(6, ''UTC'')))'), starts)", "NULL") }}} AS superseded
    FROM visited
),
of_runs AS (
    SELECT * EXCEPT (by_run, superseded, instants, seen, terminal, starts),
           arrayMap((of, superseded, number) -> (
                        toUInt32(number),
                        arrayFirst((at, moves) -> moves, of.1, of.2),
                        arrayExists(unseen -> unseen, of.7),
                        arrayFirstOrNull((at, seen) -> seen, of.1, of.3),
                        arrayFirstOrNull((at, moves, state) -> moves AND bitAnd(state, 2), of.1, of.2, of.5),
                        arrayFirstOrNull((at, moves, starts) -> moves AND starts, of.1, of.2, of.6),
                        arrayFirstOrNull((at, moves, ends) -> moves AND ends, of.1, of.2, of.4),
                        arrayFirst((state, moves, ends) -> moves AND ends, of.5, of.2, of.4),
                        arrayLast(row -> row.2, of),
                        superseded,
                        arrayMax(of.8)),
                    by_run, superseded, arrayEnumerate(by_run)) AS found_runs
    FROM in_runs
),
paths AS (
    SELECT environment, instance_id, {% if settling %}{{{ aggregated }}}, {% endif %}last_run,
           arrayZip(rows, n, moves, links, unseen, visit, left_at, run) AS steps,
           arrayMap(it -> (
                        it.1, it.2, it.3, it.4, it.5, it.6,
                        multiIf(it.4 IS NOT NULL AND ({{{ visible_step }}} OR NOT {{{ has_definition }}}), (it.4, 'completed', 1),
                                NOT {{{ visible_step }}} AND it.7 IS NOT NULL, (it.7, if(bitAnd(it.8, 2), 'completed', 'ended_otherwise'), 0),
                                {{{ visible_step }}} AND it.9.4 AND NOT bitAnd(it.9.5, 2), (toNullable(it.9.1), 'ended_otherwise', 0),
                                it.10 IS NOT NULL, (it.10, 'ended_otherwise', 0),
                                (NULL, 'open', 0)),
                        it.9.8),
                    arrayFilter(it -> it.11 > 0, found_runs)) AS runs
    FROM of_runs
){% if not settling %},
structure AS (
    SELECT environment, instance_id, step.1.12.1 AS event_id, step.1.2 AS effective_at, step.1.3 AS is_visible, step.1.5 AS came_from,
           step.1.6 AS went_to, step.1.12.2 AS act, step.1.12.3 AS class_, step.1.12.4 AS entered_at, step.1.12.5 AS about,
           step.1.12.6 AS probe, step.2 AS n, step.3 AS moves, step.4 AS link, step.5 AS unseen, step.6 AS visit, step.7 AS left_at,
           greatest(1, step.8) AS run, last_run, runs[run].2 AS started_at, runs[run].3 AS start_unseen, runs[run].4 AS visible_at,
           runs[run].5 AS completed_at, runs[run].6 AS clock_entry, runs[run].7 AS end, runs[run].8 AS last_n
    FROM paths
    ARRAY JOIN steps AS step
    WHERE step.2 > 0
){% endif %}


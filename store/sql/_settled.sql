{# From the live tables to `structure` (_structure.sql), for one workflow type. `part` says which rows are wanted:
   now     one row an instance: its last run, where it stands (`ended` adds those that have departed)
   runs    one row a run that was alive in the window
   steps   the rows of the window
   stays   the rows whose visits reach into the window
   Ends without a comma. #}
{% set nothing = "CAST(NULL, 'Nullable(DateTime64(6, ''UTC''))')" %}
{% set window_start = "fromUnixTimestamp64Micro({from_:Int64}, 'UTC')" %}
{% set window_end = "fromUnixTimestamp64Micro({to:Int64}, 'UTC')" %}
{% set departed_columns %}environment, instance_id, event_id, effective_at, is_visible, toString(came_from) AS came_from,
           toString(went_to) AS went_to, toString(act) AS act, toString(class_) AS class_, entered_at,
           CAST(about, 'Tuple(String, String, String, String, String)') AS about, probe, n, moves, toString(link) AS link, unseen,
           visit, left_at, run, last_run, started_at, start_unseen, visible_at, completed_at, clock_entry, last_n, end{% endset %}
{% set probing %}{% if not probes %}AND NOT probe{% endif %}{% endset %}
{% set standing %}
    SELECT environment, instance_id, entering_event_id AS event_id, entered_at AS effective_at, 0 AS is_visible, '' AS came_from,
           toString(state) AS went_to, '' AS act, '' AS class_, {{{ nothing }}} AS entered_at,
           CAST(about, 'Tuple(String, String, String, String, String)') AS about, probe, 1 AS n, 1 AS moves, '' AS link, 0 AS unseen,
           0 AS visit, {{{ nothing }}} AS left_at, run, run AS last_run, run_started_at AS started_at, start_unseen, visible_at,
           completed_at, clock_entry, 1 AS last_n, (ended_at, toString(ended_how), toUInt8(0)) AS end
{% endset %}
{% set walking %}
    SELECT environment, instance_id, step.event_id AS event_id, step.effective_at AS effective_at,
           step.event = 'visible' AS is_visible, toString(step.from_state) AS came_from, toString(step.to_state) AS went_to,
           toString(step.action) AS act, toString(step.class_) AS class_, step.entered_at AS entered_at,
           (toString(step.workflow_version), toString(step.service), toString(step.service_version), toString(step.actor_type),
            toString(step.trace_id)) AS about,
           probe, step.n AS n, step.moves AS moves, toString(step.link) AS link, step.unseen AS unseen, step.visit AS visit,
           step.left_at AS left_at, step.run AS run, last_run, runs[step.run] AS its, its.started_at AS started_at,
           its.start_unseen AS start_unseen, its.visible_at AS visible_at, its.completed_at AS completed_at,
           its.clock_entry AS clock_entry, its.last_n AS last_n, (its.ended_at, its.ended_how, its.ended_visibly) AS end
{% endset %}
structure AS (
{% if part == 'steps' %}
    SELECT * EXCEPT (its) FROM (
        {{{ walking }}}
        FROM (
            SELECT environment, instance_id, probe, run AS last_run, runs, events FROM {% include '_open.sql' %}
            AND last_at >= {{{ window_start }}} {{{ probing }}}
        ) ARRAY JOIN events AS step
        WHERE step.n > 0 AND step.effective_at >= {{{ window_start }}} AND step.effective_at < {{{ window_end }}}
    )
    UNION ALL
    SELECT {{{ departed_columns }}}
    FROM visits
    {% include '_departed.sql' %}
      AND effective_at >= {{{ window_start }}} AND effective_at < {{{ window_end }}}
      AND toStartOfMinute(effective_at) >= toStartOfMinute({{{ window_start }}}) {{{ probing }}}
{% elif part == 'stays' %}
    SELECT * EXCEPT (its) FROM (
        {{{ walking }}}
        FROM (
            SELECT environment, instance_id, probe, run AS last_run, runs, events FROM {% include '_open.sql' %}
            AND last_at >= {{{ window_start }}} {{{ probing }}}
        ) ARRAY JOIN events AS step
        WHERE step.n > 0
    )
    UNION ALL
    -- what has not moved since the window began is where it was
    {{{ standing }}}
    FROM {% include '_open.sql' %}
      AND last_at < {{{ window_start }}} AND run > 0 AND ended_at IS NULL {{{ probing }}}
    UNION ALL
    SELECT {{{ departed_columns }}}
    FROM visits
    {% include '_departed.sql' %}
      AND gone_at >= {{{ window_start }}}
      AND (effective_at < {{{ window_end }}} OR (unseen AND entered_at < {{{ window_end }}})) {{{ probing }}}
{% elif part == 'runs' %}
    SELECT environment, instance_id, '' AS event_id, its.started_at AS effective_at, 0 AS is_visible, '' AS came_from,
           '' AS went_to, '' AS act, '' AS class_, {{{ nothing }}} AS entered_at, ('', '', '', '', '') AS about, probe, 1 AS n, 1 AS moves,
           '' AS link, 0 AS unseen, 0 AS visit, {{{ nothing }}} AS left_at, its.run AS run, last_run, its.started_at AS started_at,
           its.start_unseen AS start_unseen, its.visible_at AS visible_at, its.completed_at AS completed_at,
           its.clock_entry AS clock_entry, 1 AS last_n, (its.ended_at, its.ended_how, its.ended_visibly) AS end
    FROM (
        SELECT environment, instance_id, probe, run AS last_run, runs FROM {% include '_open.sql' %} AND run > 0 {{{ probing }}}
    ) ARRAY JOIN runs AS its
    WHERE its.last_n > 0 AND (its.ended_at IS NULL OR its.ended_at >= {{{ window_start }}})
    UNION ALL
    SELECT {{{ departed_columns }}}
    FROM visits
    {% include '_departed.sql' %}
      AND n = last_n AND gone_at >= {{{ window_start }}} AND started_at < {{{ window_end }}} {{{ probing }}}
{% else %}
    {{{ standing }}}
    FROM {% include '_open.sql' %} AND run > 0 {{{ probing }}}
    {% if ended %}
    UNION ALL
    SELECT {{{ departed_columns }}}
    FROM visits
    {% include '_departed.sql' %}
      AND n = last_n AND run = last_run
      AND NOT ifNull({open:Nullable(UInt8)}, 0) AND NOT ifNull({stuck:Nullable(UInt8)}, 0) {{{ probing }}}
    {% endif %}
{% endif %}
)

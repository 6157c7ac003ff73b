-- Work out every touched instance anew, from all its events.
-- `environment` stands for the place here: tenant, type and environment; versions carry their tenant and type as well.
INSERT INTO open_instances (
    tenant, workflow_type, environment, instance_id, version, is_deleted, visible_from, probe, done, first_at, last_at,
    last_received_at, ripens_at, run, state, entered_at, entering_event_id, about, run_started_at, start_unseen,
    ended_at, ended_how, visible_at, completed_at, clock_entry, outbox, runs, events)
WITH
{% set settling = true %}{% set live = true %}{% set probes = true %}
{% set newest = "transform(environment, {places:Array(String)}, {newest:Array(String)}, '')" %}
{% set starts = "transform(environment, {places:Array(String)}, {starts:Array(String)}, '')" %}
{% set visible_step = "transform(environment, {places:Array(String)}, {visible_steps:Array(UInt8)}, toUInt8(0))" %}
{% set has_definition = "transform(environment, {places:Array(String)}, {defined:Array(UInt8)}, toUInt8(0))" %}
{% set settled_at = "fromUnixTimestamp64Micro(transform(environment, {places:Array(String)}, {settled:Array(Int64)}, toInt64(0)), 'UTC')" %}
unique_events AS (
    SELECT event, sequence, from_state, to_state, action, key, outcome, class_, entered_at, workflow_version, service,
           service_version, actor_type, trace_id, place AS environment, instance_id, event_id, effective_at, 0 AS probe,
           if(workflow_version = '', transform(place, {places:Array(String)}, {newest:Array(String)}, ''),
              concat(transform(place, {places:Array(String)}, {types:Array(String)}, ''), workflow_version)) AS judged_version
    FROM settling_events
    WHERE place IN {places:Array(String)}
),
{% include '_structure.sql' %},
-- beside each event what the path says of it
joined AS (
    SELECT e.*, s.n AS n, s.moves AS moves, s.link AS link, s.unseen AS unseen, s.visit AS visit, s.left_at AS left_at,
           s.run AS run, s.last_run AS last_run, s.last_n AS last_n,
           (s.run, s.started_at, s.start_unseen, s.visible_at, s.completed_at, s.clock_entry, s.end.1, s.end.2, s.end.3,
            s.last_n) AS its
    FROM (SELECT * FROM settling_events WHERE place IN {places:Array(String)}) AS e
    LEFT JOIN structure AS s
        ON e.place = s.environment AND e.instance_id = s.instance_id AND e.event_id = s.event_id
),
instances AS (
    SELECT place, instance_id, any(tenant) AS tenant, any(workflow_type) AS workflow_type, any(environment) AS environment,
           max(actor_type = 'probe') AS probe, min(effective_at) AS first_at, max(effective_at) AS last_at,
           max(received_at) AS last_received_at,
           {%- if by_sequence %}
           minIf(effective_at, n = 0 AND event = 'transition' AND outcome IN ('committed', '') AND sequence IS NULL
                 AND effective_at >= fromUnixTimestamp64Micro(
                     transform(place, {places:Array(String)}, {settled:Array(Int64)}, toInt64(0)), 'UTC')) AS unripe_at,
           {%- endif %}
           -- where its last run stands
           anyIf((run, toString(to_state), effective_at, event_id,
                  (workflow_version, service, service_version, actor_type, trace_id), its),
                 n > 0 AND run = last_run AND n = last_n) AS stands,
           arraySort(groupUniqArrayIf(its, n > 0)) AS runs,
           -- by record and by job, in order
           arraySort(groupArrayIf((outbox_id, effective_at, toString(outbox_state), toString(service)), event = 'outbox')) AS outbox_events,
           arraySplit((e, before) -> e.1 != before, outbox_events,
                      if(empty(outbox_events), [], arrayPushFront(arrayPopBack(outbox_events.1), outbox_events[1].1))) AS records,
           arraySort(groupArrayIf(
               (job_id, effective_at, ifNull(attempt, -1),
                indexOf(['enqueued', 'started', 'failed', 'succeeded', 'cancelled', 'exhausted'], toString(job_state)), event_id),
               event = 'job')) AS job_events,
           arrayMap(record -> (record[1].1, arrayFirst(e -> e.3 = 'recorded', record).2, arrayFirst(e -> e.3 = 'recorded', record).4),
                    arrayFilter(record -> arrayExists(e -> e.3 = 'recorded', record)
                                AND NOT arrayExists(e -> e.3 IN ('dispatched', 'acknowledged', 'discarded'), record), records)) AS outbox,
           arrayExists((e, after) -> e.1 != after AND e.4 IN (1, 2), job_events,
                       if(empty(job_events), [], arrayPushBack(arrayPopFront(job_events.1), '\0'))) AS working,
           groupArray((event, event_id, effective_at, received_at, collector, segment, position, workflow_version, actor_type,
                       sequence, from_state, to_state, action, key, outcome, class_, entered_at, error_type, job_id, job_type,
                       job_state, attempt, max_attempts, outbox_id, outbox_state, service, service_version, trace_id,
                       n, moves, link, unseen, visit, left_at, run)) AS events
    FROM joined
    GROUP BY place, instance_id
)
SELECT tenant, workflow_type, environment, instance_id, {version:UInt64} AS version, 0 AS is_deleted,
       if((tenant, workflow_type, environment, instance_id) IN (
              SELECT tenant, workflow_type, environment, instance_id FROM settling_returns),
          {settlement:UInt64}, 0) AS visible_from,
       probe, (stands.1 = 0 OR stands.6.7 IS NOT NULL) AND empty(outbox) AND NOT working {%- if by_sequence %} AND unripe_at = toDateTime64(0, 6, 'UTC') {%- endif %} AS done,
       first_at, last_at, last_received_at,
       {%- if by_sequence %}
       if(unripe_at = toDateTime64(0, 6, 'UTC'), unripe_at, addMicroseconds(unripe_at, toInt64(1e6 *
          transform(place, {places:Array(String)}, {lateness:Array(Float64)}, 0.)))) AS ripens_at,
       {%- else %}
       toDateTime64(0, 6, 'UTC') AS ripens_at,
       {%- endif %}
       stands.1 AS run, stands.2 AS state, stands.3 AS entered_at, stands.4 AS entering_event_id, stands.5 AS about,
       stands.6.2 AS run_started_at, stands.6.3 AS start_unseen, stands.6.7 AS ended_at, stands.6.8 AS ended_how,
       stands.6.4 AS visible_at, stands.6.5 AS completed_at, stands.6.6 AS clock_entry, outbox, runs, events
FROM instances

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
{% set kept = [
    "event", "event_id", "effective_at", "received_at", "collector", "segment", "position", "workflow_version",
    "actor_type", "sequence", "from_state", "to_state", "action", "key", "outcome", "class_", "entered_at",
    "error_type", "job_id", "job_type", "job_state", "attempt", "max_attempts", "outbox_id", "outbox_state",
    "service", "service_version", "trace_id"] %}
{% set payload = "(" ~ kept | join(", ") ~ ")" %}
{% macro of(step, name) %}{{{ step }}}.1.12.{{{ kept.index(name) + 1 }}}{% endmacro %}
{% set aggregates %}any(tenant) AS tenant_, any(workflow_type) AS workflow_type_, any(environment_) AS environment_name, max(actor_type = 'probe') AS probe_,
           min(effective_at) AS first_at, max(effective_at) AS last_at, max(received_at) AS last_received_at,
           {%- if by_sequence %}
           minIf(effective_at, unripe) AS unripe_at,
           {%- endif %}
           -- by record and by job, in order
           arraySort(groupArrayIf((outbox_id, effective_at, toString(outbox_state), toString(service)), event = 'outbox')) AS outbox_events,
           arraySort(groupArrayIf(
               (job_id, effective_at, ifNull(attempt, -1),
                indexOf(['enqueued', 'started', 'failed', 'succeeded', 'cancelled', 'exhausted'], toString(job_state)), event_id),
               event = 'job')) AS job_events{% endset %}
{% set aggregated = "tenant_, workflow_type_, environment_name, probe_, first_at, last_at, last_received_at, outbox_events, job_events" %}
{% if by_sequence %}{% set aggregated = aggregated ~ ", unripe_at" %}{% endif %}
unique_events AS (
    SELECT tenant, workflow_type, environment AS environment_, place AS environment, instance_id, {{{ kept | join(", ") }}},
           if(workflow_version = '', transform(place, {places:Array(String)}, {newest:Array(String)}, ''),
              concat(transform(place, {places:Array(String)}, {types:Array(String)}, ''), workflow_version)) AS judged_version
    FROM settling_events
    WHERE place IN {places:Array(String)}
),
{% include '_structure.sql' %},
standing AS (
    SELECT *, runs[-1] AS its, steps[if(last_run = 0, length(steps) + 1, indexOf(steps.2, its.8))] AS stands,
           arraySplit((e, before) -> e.1 != before, outbox_events,
                      if(empty(outbox_events), [], arrayPushFront(arrayPopBack(outbox_events.1), outbox_events[1].1))) AS records,
           arrayMap(record -> (record[1].1, arrayFirst(e -> e.3 = 'recorded', record).2, arrayFirst(e -> e.3 = 'recorded', record).4),
                    arrayFilter(record -> arrayExists(e -> e.3 = 'recorded', record)
                                AND NOT arrayExists(e -> e.3 IN ('dispatched', 'acknowledged', 'discarded'), record), records)) AS outbox,
           arrayExists((e, after) -> e.1 != after AND e.4 IN (1, 2), job_events,
                       if(empty(job_events), [], arrayPushBack(arrayPopFront(job_events.1), '\0'))) AS working
    FROM paths
)
SELECT tenant_, workflow_type_, environment_name, instance_id, {version:UInt64} AS version, 0 AS is_deleted,
       if((tenant_, workflow_type_, environment_name, instance_id) IN (
              SELECT tenant, workflow_type, environment, instance_id FROM settling_returns),
          {settlement:UInt64}, 0) AS visible_from,
       probe_, (last_run = 0 OR its.7.1 IS NOT NULL) AND empty(outbox) AND NOT working {%- if by_sequence %} AND unripe_at = toDateTime64(0, 6, 'UTC') {%- endif %} AS done,
       first_at, last_at, last_received_at,
       {%- if by_sequence %}
       if(unripe_at = toDateTime64(0, 6, 'UTC'), unripe_at, addMicroseconds(unripe_at, toInt64(1e6 *
          transform(environment, {places:Array(String)}, {lateness:Array(Float64)}, 0.)))) AS ripens_at,
       {%- else %}
       toDateTime64(0, 6, 'UTC') AS ripens_at,
       {%- endif %}
       last_run, stands.1.6, stands.1.2, {{{ of("stands", "event_id") }}},
       ({{{ of("stands", "workflow_version") }}}, {{{ of("stands", "service") }}}, {{{ of("stands", "service_version") }}},
        {{{ of("stands", "actor_type") }}}, {{{ of("stands", "trace_id") }}}),
       its.2, its.3, its.7.1, its.7.2, its.4, its.5, its.6, outbox,
       arrayMap(it -> (it.1, it.2, it.3, it.4, it.5, it.6, it.7.1, it.7.2, it.7.3, it.8), runs) AS runs_,
       arrayMap(step -> tupleConcat(step.1.12, (step.2, step.3, step.4, step.5, step.6, step.7, step.8)), steps) AS events_
FROM standing

-- What is open now and what has been, kept up to date by settlements (docs/decisions/0008-settling.md).
-- A settlement takes what collectors have stored since the last one, works out every touched instance anew from all
-- its events, and counts only once its row is in `settlements`. Rows of an unfinished one carry a higher number.

ALTER TABLE events ADD INDEX IF NOT EXISTS by_segment segment TYPE minmax GRANULARITY 1;

-- One row per settlement that counts: up to which segment of each collector, and the flushed watermark of that.
CREATE TABLE settlements
(
    settlement UInt64,
    settled_at DateTime64(6, 'UTC'),
    flushed_at DateTime64(6, 'UTC'),
    flushed_by String,
    collectors Array(Tuple(collector String, segment UInt64)),
    structure Array(Tuple(tenant String, workflow_type String, fingerprint UInt64)),
    events UInt64,
    instances UInt64,
    seconds Float64
)
ENGINE = MergeTree
ORDER BY settlement
SETTINGS non_replicated_deduplication_window = 10000;

-- Who works on which settlement: the first to insert a number's token has it.
CREATE TABLE settlement_claims
(
    settlement UInt64,
    attempt UInt32,
    settler String,
    claimed_at DateTime64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY (settlement, attempt)
SETTINGS non_replicated_deduplication_window = 10000;

-- The instances that are open, or ended too recently for late events to be unlikely: one row each, with all its events
-- and what follows from them. `n` and what comes after it are the place of an event on the path of its instance; n = 0
-- are those that move nothing.
CREATE TABLE open_instances
(
    tenant LowCardinality(String),
    workflow_type LowCardinality(String),
    environment LowCardinality(String),
    instance_id String,
    version UInt64,
    is_deleted UInt8,
    visible_from UInt64,
    probe UInt8,
    done UInt8,
    first_at DateTime64(6, 'UTC'),
    last_at DateTime64(6, 'UTC'),
    last_received_at DateTime64(6, 'UTC'),
    ripens_at DateTime64(6, 'UTC'),
    run UInt32,
    state LowCardinality(String),
    entered_at DateTime64(6, 'UTC'),
    entering_event_id String,
    about Tuple(workflow_version LowCardinality(String), service LowCardinality(String),
                service_version LowCardinality(String), actor_type LowCardinality(String), trace_id String),
    run_started_at DateTime64(6, 'UTC'),
    start_unseen UInt8,
    ended_at Nullable(DateTime64(6, 'UTC')),
    ended_how LowCardinality(String),
    visible_at Nullable(DateTime64(6, 'UTC')),
    completed_at Nullable(DateTime64(6, 'UTC')),
    clock_entry Nullable(DateTime64(6, 'UTC')),
    outbox Array(Tuple(outbox_id String, recorded_at DateTime64(6, 'UTC'), service String)),
    runs Array(Tuple(
        run UInt32, started_at DateTime64(6, 'UTC'), start_unseen UInt8, visible_at Nullable(DateTime64(6, 'UTC')),
        completed_at Nullable(DateTime64(6, 'UTC')), clock_entry Nullable(DateTime64(6, 'UTC')),
        ended_at Nullable(DateTime64(6, 'UTC')), ended_how String, ended_visibly UInt8, last_n UInt32)),
    events Array(Tuple(
        event String, event_id String, effective_at DateTime64(6, 'UTC'), received_at DateTime64(6, 'UTC'),
        collector String, segment UInt64, position UInt32, workflow_version String,
        actor_type String, sequence Nullable(Int64), from_state String,
        to_state String, action String, key String, outcome String,
        class_ String, entered_at Nullable(DateTime64(6, 'UTC')), error_type String,
        job_id String, job_type String, job_state String, attempt Nullable(Int64),
        max_attempts Nullable(Int64), outbox_id String, outbox_state String,
        service String, service_version String, trace_id String,
        n UInt32, moves UInt8, link String, unseen UInt8, visit UInt32,
        left_at Nullable(DateTime64(6, 'UTC')), run UInt32))
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (tenant, workflow_type, environment, instance_id)
SETTINGS index_granularity = 1024, allow_experimental_replacing_merge_with_cleanup = 1;

-- The path of instances that have departed from `open_instances`: a row for each committed transition and visible event,
-- with the run it belongs to. Written once, never changed; a late event returns the instance, and `returns` says so.
CREATE TABLE visits
(
    tenant LowCardinality(String),
    workflow_type LowCardinality(String),
    environment LowCardinality(String),
    instance_id String,
    settlement UInt64,
    departed_at DateTime64(6, 'UTC'),
    probe UInt8,
    event_id String,
    effective_at DateTime64(6, 'UTC'),
    is_visible UInt8,
    came_from LowCardinality(String),
    went_to LowCardinality(String),
    act LowCardinality(String),
    class_ LowCardinality(String),
    entered_at Nullable(DateTime64(6, 'UTC')),
    about Tuple(workflow_version LowCardinality(String), service LowCardinality(String),
                service_version LowCardinality(String), actor_type LowCardinality(String), trace_id String),
    n UInt32,
    moves UInt8,
    link LowCardinality(String),
    unseen UInt8,
    visit UInt32,
    left_at Nullable(DateTime64(6, 'UTC')),
    run UInt32,
    last_run UInt32,
    started_at DateTime64(6, 'UTC'),
    start_unseen UInt8,
    visible_at Nullable(DateTime64(6, 'UTC')),
    completed_at Nullable(DateTime64(6, 'UTC')),
    clock_entry Nullable(DateTime64(6, 'UTC')),
    end Tuple(Nullable(DateTime64(6, 'UTC')), String, UInt8),
    last_n UInt32,
    -- when nothing of this row can reach into a window any more
    gone_at DateTime64(6, 'UTC') MATERIALIZED greatest(effective_at, ifNull(left_at, effective_at), ifNull(end.1, effective_at)),
    INDEX by_effective effective_at TYPE minmax GRANULARITY 1,
    INDEX by_gone gone_at TYPE minmax GRANULARITY 1,
    INDEX by_settlement settlement TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(departed_at)
ORDER BY (tenant, workflow_type, toStartOfMinute(effective_at), environment, instance_id)
SETTINGS non_replicated_deduplication_window = 0;

-- Their jobs, each with all its events, because what its last event is depends on when one asks.
CREATE TABLE jobs
(
    tenant LowCardinality(String),
    workflow_type LowCardinality(String),
    environment LowCardinality(String),
    instance_id String,
    settlement UInt64,
    departed_at DateTime64(6, 'UTC'),
    first_at DateTime64(6, 'UTC'),
    last_at DateTime64(6, 'UTC'),
    job_id String,
    events Array(Tuple(
        event_id String, effective_at DateTime64(6, 'UTC'), job_type LowCardinality(String), job_state LowCardinality(String),
        attempt Nullable(Int64), max_attempts Nullable(Int64), error_type LowCardinality(String),
        service LowCardinality(String), trace_id String, workflow_version LowCardinality(String))),
    INDEX by_last last_at TYPE minmax GRANULARITY 1,
    INDEX by_settlement settlement TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(departed_at)
ORDER BY (tenant, workflow_type, toStartOfMinute(last_at), environment, instance_id);

-- Every instance that has ever departed, by key, so that a late event finds it at a bounded cost; and when its events were.
CREATE TABLE finished
(
    key UInt64,
    settlement UInt64,
    first_at DateTime64(6, 'UTC'),
    last_at DateTime64(6, 'UTC'),
    INDEX by_settlement settlement TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY key
SETTINGS index_granularity = 256;

-- Which instances departed in which settlement: what readers must not count twice until the next one has removed them
-- from `open_instances`.
CREATE TABLE departures
(
    settlement UInt64,
    tenant LowCardinality(String),
    workflow_type LowCardinality(String),
    environment LowCardinality(String),
    instance_id String,
    departed_at DateTime64(6, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toDate(departed_at)
ORDER BY (settlement, tenant, workflow_type)
TTL toDateTime(departed_at) + INTERVAL 2 DAY;

-- Which departed instances are open again because an event came late: what they left behind no longer counts.
CREATE TABLE returns
(
    tenant LowCardinality(String),
    workflow_type LowCardinality(String),
    environment LowCardinality(String),
    instance_id String,
    departed UInt64,
    settlement UInt64
)
ENGINE = MergeTree
ORDER BY (tenant, workflow_type, settlement);

-- Which workflow types run where; duplicates move neither end.
CREATE TABLE workflow_types
(
    tenant LowCardinality(String),
    workflow_type LowCardinality(String),
    environment LowCardinality(String),
    first_at SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    last_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    events SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, workflow_type, environment)
SETTINGS non_replicated_deduplication_window = 10000;

INSERT INTO workflow_types
SELECT tenant, workflow_type, environment, min(effective_at), max(effective_at), count()
FROM events
WHERE workflow_type != ''
GROUP BY tenant, workflow_type, environment;

CREATE MATERIALIZED VIEW IF NOT EXISTS workflow_types_of_events TO workflow_types AS
SELECT tenant, workflow_type, environment, min(effective_at) AS first_at, max(effective_at) AS last_at, count() AS events
FROM events
WHERE workflow_type != ''
GROUP BY tenant, workflow_type, environment;

-- What one settlement works on; in memory, nothing in it outlives it.
CREATE TABLE settling_instances
(
    tenant LowCardinality(String),
    workflow_type LowCardinality(String),
    environment LowCardinality(String),
    instance_id String,
    key UInt64 MATERIALIZED sipHash64(tenant, workflow_type, environment, instance_id)
)
ENGINE = Memory;

CREATE TABLE settling_returns
(
    tenant LowCardinality(String),
    workflow_type LowCardinality(String),
    environment LowCardinality(String),
    instance_id String,
    departed UInt64,
    first_at DateTime64(6, 'UTC'),
    last_at DateTime64(6, 'UTC')
)
ENGINE = Memory;

CREATE TABLE settling_events
(
    tenant LowCardinality(String),
    workflow_type LowCardinality(String),
    environment LowCardinality(String),
    instance_id String,
    event LowCardinality(String),
    event_id String,
    effective_at DateTime64(6, 'UTC'),
    received_at DateTime64(6, 'UTC'),
    collector LowCardinality(String),
    segment UInt64,
    position UInt32,
    workflow_version LowCardinality(String),
    actor_type LowCardinality(String),
    sequence Nullable(Int64),
    from_state LowCardinality(String),
    to_state LowCardinality(String),
    action LowCardinality(String),
    key String,
    outcome LowCardinality(String),
    class_ LowCardinality(String),
    entered_at Nullable(DateTime64(6, 'UTC')),
    error_type LowCardinality(String),
    job_id String,
    job_type LowCardinality(String),
    job_state LowCardinality(String),
    attempt Nullable(Int64),
    max_attempts Nullable(Int64),
    outbox_id String,
    outbox_state LowCardinality(String),
    service LowCardinality(String),
    service_version LowCardinality(String),
    trace_id String,
    place String
)
ENGINE = Memory;

CREATE TABLE settling_received
(
    tenant LowCardinality(String),
    workflow_type LowCardinality(String),
    environment LowCardinality(String),
    instance_id String,
    event LowCardinality(String),
    event_id String,
    effective_at DateTime64(6, 'UTC'),
    received_at DateTime64(6, 'UTC'),
    collector LowCardinality(String),
    segment UInt64,
    position UInt32,
    workflow_version LowCardinality(String),
    actor_type LowCardinality(String),
    sequence Nullable(Int64),
    from_state LowCardinality(String),
    to_state LowCardinality(String),
    action LowCardinality(String),
    key String,
    outcome LowCardinality(String),
    class_ LowCardinality(String),
    entered_at Nullable(DateTime64(6, 'UTC')),
    error_type LowCardinality(String),
    job_id String,
    job_type LowCardinality(String),
    job_state LowCardinality(String),
    attempt Nullable(Int64),
    max_attempts Nullable(Int64),
    outbox_id String,
    outbox_state LowCardinality(String),
    service LowCardinality(String),
    service_version LowCardinality(String),
    trace_id String,
    kept UInt8
)
ENGINE = Memory;

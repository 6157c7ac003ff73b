-- What producers sent, one row per copy received.
-- Partitioned by the day received: a client's odd clock cannot make partitions. Ordered for reads of a time
-- window, and within it by instance; the bloom filter finds one instance's history without a scan.
-- Acknowledged means on disk: both fsync settings cost about 12 ms an insert, shared by a whole batch.
CREATE TABLE events
(
    tenant LowCardinality(String),
    event LowCardinality(String),
    event_id String,
    workflow_type LowCardinality(String),
    workflow_version LowCardinality(String),
    environment LowCardinality(String),
    instance_id String,
    occurred_at DateTime64(6, 'UTC'),
    received_at DateTime64(6, 'UTC'),
    effective_at DateTime64(6, 'UTC') MATERIALIZED least(occurred_at, received_at),
    sequence Nullable(Int64),
    business_key String,
    actor_type LowCardinality(String),
    actor_id String,
    reason String,
    from_state LowCardinality(String),
    to_state LowCardinality(String),
    action LowCardinality(String),
    key String,
    outcome LowCardinality(String),
    rejection LowCardinality(String),
    class_ LowCardinality(String),
    entered_at Nullable(DateTime64(6, 'UTC')),
    error_type LowCardinality(String),
    job_id String,
    job_type LowCardinality(String),
    job_queue LowCardinality(String),
    job_state LowCardinality(String),
    attempt Nullable(Int64),
    max_attempts Nullable(Int64),
    scheduled_at Nullable(DateTime64(6, 'UTC')),
    effect_key String,
    cause_key String,
    basis_sequence Nullable(Int64),
    outbox_id String,
    outbox_state LowCardinality(String),
    transition_key String,
    producer String,
    emitted Nullable(Int64),
    dropped Nullable(Int64),
    service LowCardinality(String),
    service_version LowCardinality(String),
    trace_id String,
    span_id String,
    attributes String CODEC(ZSTD(1)),
    content_hash UInt64,
    collector LowCardinality(String),
    segment UInt64,
    position UInt32,
    INDEX by_instance instance_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_effective effective_at TYPE minmax GRANULARITY 1,
    INDEX by_received received_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (tenant, workflow_type, toStartOfMinute(effective_at), instance_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- What was refused, with the reason, so that nothing is ever dropped silently.
CREATE TABLE rejected_events
(
    tenant LowCardinality(String),
    received_at DateTime64(6, 'UTC'),
    collector LowCardinality(String),
    door LowCardinality(String),
    position UInt32,
    field LowCardinality(String),
    reason LowCardinality(String),
    detail String,
    raw String CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (tenant, received_at)
TTL toDateTime(received_at) + INTERVAL 30 DAY;

-- How far each collector has come: everything it received before flushed_at is in the store.
CREATE TABLE collector_marks
(
    collector String,
    marked_at DateTime64(6, 'UTC'),
    flushed_at DateTime64(6, 'UTC'),
    segment UInt64,
    retired UInt8
)
ENGINE = ReplacingMergeTree(marked_at)
ORDER BY collector;

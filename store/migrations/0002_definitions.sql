-- The definitions in force. Every reload that changes anything writes all of them under a new revision in one
-- insert, so a reader sees one revision whole. An empty workflow_type marks a revision without definitions.
CREATE TABLE definitions
(
    tenant LowCardinality(String),
    revision UInt64,
    loaded_at DateTime64(6, 'UTC'),
    workflow_type LowCardinality(String),
    workflow_version LowCardinality(String),
    newest UInt8,
    order_by LowCardinality(String),
    lateness Float64,
    stuck_after Nullable(Float64),
    starts String,
    visible UInt8,
    states Array(Tuple(name String, status String, terminal UInt8, stuck_after Nullable(Float64))),
    edges Array(Tuple(from_state String, to_state String, action String, reenter UInt8)),
    jobs Array(Tuple(job_type String, max_attempts Nullable(Int64))),
    digest String,
    source String CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (tenant, revision, workflow_type);

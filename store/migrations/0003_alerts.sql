-- What each alert stands at, as the rule engine wrote it last: read back when it starts again.
CREATE TABLE alert_states
(
    tenant LowCardinality(String),
    fingerprint String,
    saved_at DateTime64(6, 'UTC'),
    removed UInt8,
    state String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(saved_at, removed)
ORDER BY (tenant, fingerprint);

-- Every change of an alert, with the value that was evaluated. Only grows.
CREATE TABLE alert_history
(
    tenant LowCardinality(String),
    fingerprint String,
    alert LowCardinality(String),
    at DateTime64(6, 'UTC'),
    change String CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (tenant, fingerprint, at);

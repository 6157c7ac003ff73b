-- What was last found of each group of rules, as the rule engine wrote it: read by processes that show it and do not
-- evaluate. A group is written whole, so a rule that is gone from its file is gone from here as well.
CREATE TABLE rule_verdicts
(
    tenant LowCardinality(String),
    rule_group String,
    saved_at DateTime64(6, 'UTC'),
    removed UInt8,
    verdicts String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(saved_at, removed)
ORDER BY (tenant, rule_group);

-- A collector says with each mark how it fares, so that whoever reads the store sees all of them. Counters begin anew with
-- the process (`started_at`); of marks of before, and of those written by `donewatch retire`, they are empty.
ALTER TABLE collector_marks
    ADD COLUMN IF NOT EXISTS started_at Nullable(DateTime64(6, 'UTC')),
    ADD COLUMN IF NOT EXISTS accepted UInt64,
    ADD COLUMN IF NOT EXISTS rejected Map(String, UInt64),
    ADD COLUMN IF NOT EXISTS quarantined Map(String, UInt64),
    ADD COLUMN IF NOT EXISTS quarantine_files UInt64,
    ADD COLUMN IF NOT EXISTS pending UInt64,
    ADD COLUMN IF NOT EXISTS pending_bytes UInt64,
    ADD COLUMN IF NOT EXISTS limit_bytes UInt64,
    ADD COLUMN IF NOT EXISTS waiting_segments UInt64,
    ADD COLUMN IF NOT EXISTS oldest_at Nullable(DateTime64(6, 'UTC')),
    ADD COLUMN IF NOT EXISTS resent_since Nullable(DateTime64(6, 'UTC')),
    ADD COLUMN IF NOT EXISTS segments UInt64,
    ADD COLUMN IF NOT EXISTS failed_inserts UInt64,
    ADD COLUMN IF NOT EXISTS failed_writes UInt64,
    ADD COLUMN IF NOT EXISTS damaged UInt64,
    ADD COLUMN IF NOT EXISTS torn_bytes UInt64,
    ADD COLUMN IF NOT EXISTS trouble String;

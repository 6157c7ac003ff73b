CREATE TABLE IF NOT EXISTS jobs (
    job_id TEXT PRIMARY KEY,      -- the id of the outbox record: dispatching twice enqueues once
    order_id TEXT NOT NULL,
    job_type TEXT NOT NULL,
    cause_key TEXT NOT NULL,
    state TEXT NOT NULL,          -- waiting, leased, done
    attempt INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL,
    ready_at INTEGER NOT NULL,    -- waiting: not before; leased: when the lease ends (microseconds)
    result TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS jobs_ready ON jobs (ready_at) WHERE state <> 'done';

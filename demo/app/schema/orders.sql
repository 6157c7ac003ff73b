CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,     -- optimistic lock: a change names the version it was based on
    amount INTEGER NOT NULL,      -- cents
    actor_type TEXT NOT NULL,     -- user or probe
    placed_at INTEGER NOT NULL,   -- times in microseconds since the Unix epoch
    changed_at INTEGER NOT NULL
);
-- What the read model follows. AUTOINCREMENT: numbers are never given twice, and writers take turns,
-- so a reader that has seen N has seen everything before N.
CREATE TABLE IF NOT EXISTS order_changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id TEXT NOT NULL,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    outbox_id TEXT NOT NULL UNIQUE,
    order_id TEXT NOT NULL,
    transition_key TEXT NOT NULL,
    job_type TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    dispatched_at INTEGER,
    acknowledged_at INTEGER
);
CREATE INDEX IF NOT EXISTS outbox_pending ON outbox (number) WHERE dispatched_at IS NULL;

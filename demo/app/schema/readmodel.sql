CREATE TABLE IF NOT EXISTS order_view (
    order_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    shown_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS checkpoint (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    number INTEGER NOT NULL
);
INSERT OR IGNORE INTO checkpoint (only, number) VALUES (1, 0);

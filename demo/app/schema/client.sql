CREATE TABLE IF NOT EXISTS outcomes (
    order_id TEXT PRIMARY KEY,
    accepted_at INTEGER,          -- null: the order service did not take it
    ended_at INTEGER,             -- null: still waiting
    outcome TEXT NOT NULL         -- waiting, completed, failed, refused, given_up
);

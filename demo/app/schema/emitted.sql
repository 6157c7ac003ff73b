-- One row per event that this application reports, written in the transaction of the change it reports.
-- `confirmed` says that its process ended well after handing it over; the others are sent again at the next start.
CREATE TABLE IF NOT EXISTS emitted_events (
    event_id TEXT PRIMARY KEY,
    service TEXT NOT NULL,
    service_version TEXT NOT NULL,
    occurred_at INTEGER NOT NULL, -- microseconds since the Unix epoch
    call TEXT NOT NULL,           -- the method of donewatch.Workflow
    payload TEXT NOT NULL,        -- its arguments, as JSON
    confirmed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS emitted_events_unconfirmed
    ON emitted_events (service, occurred_at) WHERE confirmed = 0;

-- What it takes to read one instance's history, and a window of time.
CREATE INDEX by_instance ON events (workflow_type, instance_id, occurred_at);
CREATE INDEX by_time ON events (workflow_type, occurred_at);

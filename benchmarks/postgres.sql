-- What an application would have in PostgreSQL instead: each event once by its id, and where each instance stands.
-- No index beyond the two keys.
CREATE TABLE events
(
    event_id text PRIMARY KEY,
    event text NOT NULL,
    workflow_type text NOT NULL,
    workflow_version text,
    environment text,
    instance_id text NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    sequence bigint,
    actor_type text,
    from_state text,
    to_state text,
    action text,
    key text,
    job_id text,
    job_type text,
    job_state text,
    attempt bigint,
    max_attempts bigint,
    error_type text,
    outbox_id text,
    outbox_state text,
    service text,
    service_version text,
    trace_id text,
    span_id text,
    attributes jsonb
);

CREATE TABLE current_state
(
    workflow_type text,
    instance_id text,
    state text NOT NULL,
    entered_at timestamptz NOT NULL,
    sequence bigint,
    event_id text NOT NULL,
    PRIMARY KEY (workflow_type, instance_id)
);

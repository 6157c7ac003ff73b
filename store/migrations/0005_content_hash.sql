-- What tells copies of an event from conflicts is computed where events are stored: every door and every decoder
-- agrees on it, and nobody carries it. An event without a time of its own got the time of its receipt, which is no
-- content. Rows of before keep what they have.
ALTER TABLE events MODIFY COLUMN content_hash UInt64 MATERIALIZED cityHash64(
    event, workflow_type, workflow_version, environment, instance_id,
    business_key, actor_type, actor_id, reason,
    from_state, to_state, action, key, outcome, rejection, class_, error_type,
    job_id, job_type, job_queue, job_state, effect_key, cause_key,
    outbox_id, outbox_state, transition_key, producer,
    service, service_version, trace_id, span_id, attributes,
    if(occurred_at = received_at, 0, toUnixTimestamp64Micro(occurred_at)),
    -- in a tuple NULL is not 0, and makes not everything NULL
    tuple(sequence, entered_at, attempt, max_attempts, scheduled_at, basis_sequence, emitted, dropped));

-- A segment becomes one file that has to be on disk, not one or two for each column; merges make wide parts of them.
ALTER TABLE events MODIFY SETTING min_bytes_for_wide_part = 268435456;

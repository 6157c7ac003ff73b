-- What tells copies of an event from conflicts is computed where events are stored: every door and every decoder
-- agrees on it, and nobody carries it. An event without a time of its own got the time of its receipt, which is no
-- content. Rows of before keep what they have.
ALTER TABLE events MODIFY COLUMN content_hash UInt64 MATERIALIZED cityHash64(
    event, workflow_type, workflow_version, environment, instance_id,
    if(occurred_at = received_at, 0, toUnixTimestamp64Micro(occurred_at)),
    ifNull(toString(sequence), ''), business_key, actor_type, actor_id, reason,
    from_state, to_state, action, key, outcome, rejection, class_,
    ifNull(toString(entered_at), ''), error_type,
    job_id, job_type, job_queue, job_state, ifNull(toString(attempt), ''), ifNull(toString(max_attempts), ''),
    ifNull(toString(scheduled_at), ''), effect_key, cause_key, ifNull(toString(basis_sequence), ''),
    outbox_id, outbox_state, transition_key,
    producer, ifNull(toString(emitted), ''), ifNull(toString(dropped), ''),
    service, service_version, trace_id, span_id, attributes);

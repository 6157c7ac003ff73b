-- One batch: what is new of it, and what it changes. Ordered, so that two batches never lock each other.
WITH fresh AS (
    INSERT INTO events ({columns})
    SELECT {columns} FROM {source}
    ON CONFLICT (event_id) DO NOTHING
    RETURNING workflow_type, instance_id, event, to_state, occurred_at, sequence, event_id
)
INSERT INTO current_state (workflow_type, instance_id, state, entered_at, sequence, event_id)
SELECT DISTINCT ON (workflow_type, instance_id) workflow_type, instance_id, to_state, occurred_at, sequence, event_id
FROM fresh
WHERE event = 'transition'
ORDER BY workflow_type, instance_id, occurred_at DESC, sequence DESC
ON CONFLICT (workflow_type, instance_id) DO UPDATE
SET state = excluded.state, entered_at = excluded.entered_at, sequence = excluded.sequence, event_id = excluded.event_id
WHERE (current_state.entered_at, current_state.sequence) < (excluded.entered_at, excluded.sequence)

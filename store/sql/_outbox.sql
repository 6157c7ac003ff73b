{# Outbox records that still wait to be dispatched. #}
pending_outbox AS (
    SELECT environment, instance_id, outbox_id,
           minIf(effective_at, outbox_state = 'recorded') AS recorded_at,
           argMinIf(service, effective_at, outbox_state = 'recorded') AS service
    FROM unique_events
    WHERE event = 'outbox'
    GROUP BY environment, instance_id, outbox_id
    HAVING countIf(outbox_state = 'recorded') > 0
       AND countIf(outbox_state IN ('dispatched', 'acknowledged', 'discarded')) = 0
)

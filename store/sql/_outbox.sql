{# Outbox records that still wait to be dispatched: `pending_outbox`, from either source (_path.sql). #}
{% if source == 'settled' %}
pending_outbox AS (
    SELECT environment, instance_id, record.outbox_id AS outbox_id, record.recorded_at AS recorded_at, record.service AS service
    FROM (SELECT environment, instance_id, outbox FROM {% include '_open.sql' %} AND notEmpty(outbox))
    ARRAY JOIN outbox AS record
)
{% else %}
{% set columns = "event, outbox_id, outbox_state, service" %}{% include '_events.sql' %},
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
{% endif %}

-- Which outbox records wait to be dispatched? The oldest first.
WITH
{% include '_outbox.sql' %}
SELECT environment, instance_id, outbox_id, recorded_at,
       dateDiff('microsecond', recorded_at, fromUnixTimestamp64Micro({flushed:Int64}, 'UTC')) / 1e6 AS age, service
FROM pending_outbox
ORDER BY recorded_at, environment, instance_id, outbox_id
LIMIT {limit:UInt32}

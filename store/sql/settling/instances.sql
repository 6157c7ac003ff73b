-- Which instances does this settlement touch? Those with new events, and those whose unsequenced events are ripe.
INSERT INTO settling_instances (tenant, workflow_type, environment, instance_id)
SELECT DISTINCT tenant, workflow_type, environment, instance_id
FROM settling_received
{% if ripe %}
UNION DISTINCT
SELECT tenant, workflow_type, environment, instance_id
FROM open_instances FINAL
WHERE ripens_at > toDateTime64(0, 6, 'UTC') AND ripens_at < fromUnixTimestamp64Micro({flushed:Int64}, 'UTC')
{% endif %}

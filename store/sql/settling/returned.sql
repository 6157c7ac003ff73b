-- What had been sent of those that are back?
INSERT INTO settling_received ({% include 'settling/_columns.sql' %})
SELECT {% include 'settling/_columns.sql' %}
FROM events
WHERE (tenant, workflow_type) IN (SELECT tenant, workflow_type FROM settling_returns)
  AND toStartOfMinute(effective_at) >= (SELECT toStartOfMinute(min(first_at)) FROM settling_returns)
  AND toStartOfMinute(effective_at) <= (SELECT toStartOfMinute(max(last_at)) FROM settling_returns)
  AND (tenant, workflow_type, environment, instance_id) IN (
      SELECT tenant, workflow_type, environment, instance_id FROM settling_returns)
  AND event != 'heartbeat'

-- Which instances of these types were worked out before their definitions changed? Some of them, to be worked out again.
INSERT INTO settling_instances (tenant, workflow_type, environment, instance_id)
SELECT DISTINCT tenant, workflow_type, environment, instance_id
FROM (
    SELECT tenant, workflow_type, environment, instance_id FROM {% include 'settling/_outdated.sql' %}
)
WHERE (tenant, workflow_type, environment, instance_id) NOT IN (
    SELECT tenant, workflow_type, environment, instance_id FROM settling_instances)
LIMIT {limit:UInt32}

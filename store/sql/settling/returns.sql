-- Which of those we do not know have been here and departed?
INSERT INTO settling_returns (tenant, workflow_type, environment, instance_id, departed, first_at, last_at)
SELECT tenant, workflow_type, environment, instance_id, was.departed, was.first_at, was.last_at
FROM (
    SELECT tenant, workflow_type, environment, instance_id, key
    FROM settling_instances
    WHERE (tenant, workflow_type, environment, instance_id) NOT IN (
        SELECT DISTINCT tenant, workflow_type, environment, instance_id FROM settling_received WHERE kept)
) AS unknown
INNER JOIN (
    SELECT key, max(settlement) AS departed, min(first_at) AS first_at, max(last_at) AS last_at
    FROM finished
    WHERE key IN (SELECT key FROM settling_instances) AND settlement < {settlement:UInt64}
    GROUP BY key
) AS was ON unknown.key = was.key

-- Those that departed in the last settlement go.
INSERT INTO open_instances (tenant, workflow_type, environment, instance_id, version, is_deleted)
SELECT tenant, workflow_type, environment, instance_id, {version:UInt64}, 1
FROM departures
WHERE settlement = {settlement:UInt64}

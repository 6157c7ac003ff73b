-- What returning instances left behind no longer counts.
INSERT INTO returns (tenant, workflow_type, environment, instance_id, departed, settlement)
SELECT tenant, workflow_type, environment, instance_id, departed, {settlement:UInt64}
FROM settling_returns

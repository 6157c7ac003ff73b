open_instances FINAL
    WHERE (tenant, workflow_type, environment, instance_id) IN (
        SELECT tenant, workflow_type, environment, instance_id FROM departures WHERE settlement = {settlement:UInt64})

-- Which instances have ended so long ago that nothing more is to be expected?
INSERT INTO departures (settlement, tenant, workflow_type, environment, instance_id, departed_at)
SELECT {settlement:UInt64}, tenant, workflow_type, environment, instance_id, fromUnixTimestamp64Micro({now:Int64}, 'UTC')
FROM open_instances FINAL
WHERE done AND last_received_at < fromUnixTimestamp64Micro({before:Int64}, 'UTC')
  AND (tenant, workflow_type, environment, instance_id) NOT IN (
      SELECT tenant, workflow_type, environment, instance_id FROM settling_instances)
LIMIT {limit:UInt32}

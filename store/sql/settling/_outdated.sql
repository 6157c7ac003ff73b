{# Of these types: open instances not written, and visits of departed ones not taken back, since this settlement. #}
(
    SELECT tenant, workflow_type, environment, instance_id
    FROM open_instances FINAL
    WHERE concat(tenant, '\0', workflow_type) IN {types:Array(String)} AND version < 4 * {since:UInt64}
    UNION ALL
    SELECT tenant, workflow_type, environment, instance_id
    FROM visits
    WHERE concat(tenant, '\0', workflow_type) IN {types:Array(String)} AND settlement < {since:UInt64}
      AND (tenant, workflow_type, environment, instance_id, settlement) NOT IN (
          SELECT tenant, workflow_type, environment, instance_id, departed FROM returns)
)

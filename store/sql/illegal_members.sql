-- Which transitions were not declared? The newest first.
WITH
{% set part = 'steps' %}{% include '_path.sql' %}
SELECT environment, instance_id, event_id, came_from AS from_state, went_to AS to_state, act AS action, effective_at,
       about.1 AS workflow_version, about.2 AS service, about.3 AS service_version, about.4 AS actor_type, about.5 AS trace_id
FROM path
WHERE NOT is_visible AND effective_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC')
  AND effective_at < fromUnixTimestamp64Micro(least({to:Int64}, {settled:Int64}), 'UTC')
  AND declared = 0
ORDER BY effective_at DESC, event_id
LIMIT {limit:UInt32}

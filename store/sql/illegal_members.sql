-- Which transitions were not declared? The newest first.
WITH {% include '_events.sql' %},
{% include '_path.sql' %}
SELECT environment, instance_id, event_id, from_state, to_state, action, effective_at, workflow_version,
       service, service_version, actor_type, trace_id
FROM path
WHERE NOT is_visible AND effective_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC')
  AND effective_at < fromUnixTimestamp64Micro(least({to:Int64}, {settled:Int64}), 'UTC')
  AND declared = 0
ORDER BY effective_at DESC, event_id
LIMIT {limit:UInt32}

-- What came in after this position, in the order of arrival, copies included?
-- A position is (received_at, collector, segment, position): no two rows share one, and it never changes.
SELECT event, event_id, workflow_type, workflow_version, environment, instance_id, occurred_at, received_at, effective_at,
       sequence, business_key, actor_type, actor_id, reason, from_state, to_state, action, key, outcome, rejection, class_,
       entered_at, error_type, job_id, job_type, job_queue, job_state, attempt, max_attempts, scheduled_at, effect_key,
       cause_key, basis_sequence, outbox_id, outbox_state, transition_key, producer, emitted, dropped, service,
       service_version, trace_id, span_id, attributes, collector, segment, position
FROM events
WHERE tenant = {tenant:String}
  AND received_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC')
  AND received_at < fromUnixTimestamp64Micro({to:Int64}, 'UTC')
  AND (received_at, collector, segment, position)
      > (fromUnixTimestamp64Micro({from_:Int64}, 'UTC'), {after_collector:String}, {after_segment:UInt64}, {after_position:UInt32})
  AND ({workflow_type:String} = '' OR workflow_type = {workflow_type:String})
  AND ({instance_id:String} = '' OR instance_id = {instance_id:String})
  AND (empty({kinds:Array(String)}) OR has({kinds:Array(String)}, event))
  AND (empty({environments:Array(String)}) OR has({environments:Array(String)}, environment))
ORDER BY received_at, collector, segment, position
LIMIT {limit:UInt32}

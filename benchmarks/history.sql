-- Orders that have been, from the last one backwards: the same orders end every history, however long it is.
-- Parameters: first and orders (numbers of orders, counted from the end), until (microseconds, when the last one began),
-- gap (microseconds between two orders), segment (number of the first), rows (of a segment).
INSERT INTO events (tenant, event, event_id, workflow_type, workflow_version, environment, instance_id, occurred_at, received_at,
                    sequence, actor_type, from_state, to_state, action, key, outcome, class_, error_type, job_id, job_type,
                    job_state, attempt, max_attempts, outbox_id, outbox_state, service, service_version, trace_id, span_id,
                    attributes, collector, segment, position)
WITH row_number() OVER (ORDER BY at, event_id) - 1 AS row
SELECT 'default', step.1, event_id, 'order', '1', 'production', instance_id, at, at + toIntervalMillisecond(40),
       if(step.1 = 'transition', toInt64(step.7), NULL), if(step.5 = 'submit', 'user', 'system'), step.3, step.4, step.5,
       if(step.1 = 'transition', concat(instance_id, ':', step.5, ':', toString(step.7)), ''),
       if(step.1 = 'transition', 'committed', ''), if(step.1 = 'transition', 'normal', ''), step.8,
       if(step.1 = 'job', concat('charge-', instance_id), ''), if(step.1 = 'job', 'charge_card', ''),
       if(step.1 = 'job', step.6, ''), if(step.1 = 'job' AND step.7 > 0, toInt64(step.7), NULL),
       if(step.1 = 'job', 4, NULL), if(step.1 = 'outbox', concat('box-', instance_id), ''),
       if(step.1 = 'outbox', step.6, ''), 'checkout', '2026.11.3', lower(hex(sipHash128(instance_id))),
       lower(hex(sipHash64(event_id))),
       if(step.1 = 'transition', concat('{"shop.total_cents":', toString(500 + cityHash64(event_id) % 49500), '}'), '{}'),
       'bulk', {segment:UInt64} + intDiv(row, {rows:UInt64}), row % {rows:UInt64}
FROM (
    SELECT instance_id, step,
           toString(reinterpretAsUUID(sipHash128(instance_id, place))) AS event_id,
           fromUnixTimestamp64Micro(began + toInt64(step.2 * 1e6) + place, 'UTC') AS at
    FROM (
        SELECT concat('{prefix}', lower(hex(sipHash64(number, 7)))) AS instance_id,
               sipHash64(number, 8) AS dice,
               toInt64({until:Int64} - number * {gap:Int64}) AS began,
               -- (event, seconds after the beginning, from, to, action, state of job or outbox record, sequence or attempt, error)
               {life} AS life
        FROM numbers({first:UInt64}, {orders:UInt64})
    )
    ARRAY JOIN life AS step, arrayEnumerate(life) AS place
)
ORDER BY row
SETTINGS max_insert_block_size = 10000000, min_insert_block_size_rows = 10000000, min_insert_block_size_bytes = 0,
         max_insert_threads = 1

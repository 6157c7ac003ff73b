-- The settlements since a moment that had something to do: how many, and how long they took.
SELECT countIf(events > 0) AS settlements, ifNotFinite(quantileIf(0.5)(seconds, events > 0), 0) AS settlement_seconds,
       ifNotFinite(quantileIf(0.5)(events, events > 0), 0) AS events_of_one
FROM settlements
WHERE settled_at >= fromUnixTimestamp64Micro({began:Int64}, 'UTC')

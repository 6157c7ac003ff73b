-- What is in a store, and in how many parts?
SELECT count() AS rows, uniqExact(event_id) AS events, uniqExact(segment) AS segments,
       (SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'events' AND active) AS parts,
       (SELECT sum(bytes_on_disk) FROM system.parts WHERE database = currentDatabase() AND table = 'events' AND active) AS bytes_on_disk,
       (SELECT sum(bytes_on_disk) FROM system.parts WHERE database = currentDatabase() AND active) AS bytes_of_all_tables
FROM events

-- Which settlement was the last, how far does it reach, and what did it take?
SELECT settlement, settled_at, flushed_at, flushed_by, events, instances, seconds
FROM settlements
ORDER BY settlement DESC
LIMIT 1

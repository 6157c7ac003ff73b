-- Which settlement counts, and what does it reach?
SELECT settlement, settled_at, flushed_at, flushed_by, collectors, structure, events, instances, seconds
FROM settlements
ORDER BY settlement DESC
LIMIT 1

-- How full are the spools of the collectors that are not retired?
SELECT collector, pending, pending_bytes, limit_bytes
FROM collector_marks FINAL
WHERE NOT retired
ORDER BY collector

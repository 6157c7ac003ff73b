-- Which collectors have registered and are not retired?
SELECT collector, flushed_at FROM collector_marks FINAL WHERE NOT retired ORDER BY collector

-- How far has each collector come?
SELECT collector, flushed_at, segment, retired FROM collector_marks FINAL ORDER BY collector

-- How far has each collector come, and how does it fare?
SELECT collector, marked_at, flushed_at, retired, started_at, accepted, rejected, quarantined, quarantine_files,
       pending, pending_bytes, limit_bytes, waiting_segments, oldest_at, resent_since, segments,
       failed_inserts, failed_writes, damaged, torn_bytes, trouble
FROM collector_marks FINAL
ORDER BY collector

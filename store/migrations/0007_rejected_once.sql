-- What was refused is inserted from the spool as events are: a retried segment adds nothing, and its file is deleted
-- once the rows are on disk.
ALTER TABLE rejected_events
    MODIFY SETTING non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- A settlement that counts says that its segments need not be looked at again. So what it wrote is on disk before its
-- row is: else a power cut could keep the row and lose what it stands for, which no restart would work out again.
ALTER TABLE open_instances MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1;
ALTER TABLE visits MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1;
ALTER TABLE jobs MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1;
ALTER TABLE finished MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1;
ALTER TABLE departures MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1;
ALTER TABLE returns MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1;
ALTER TABLE settlements MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1;

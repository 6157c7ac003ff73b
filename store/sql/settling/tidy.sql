-- Drop what was replaced or removed.
OPTIMIZE TABLE open_instances FINAL CLEANUP

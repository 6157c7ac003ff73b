-- How many rows does the table of open instances hold, and how many of them are open?
SELECT (SELECT sum(rows) FROM system.parts
        WHERE active AND database = currentDatabase() AND table = 'open_instances') AS rows,
       (SELECT count() FROM open_instances FINAL) AS open

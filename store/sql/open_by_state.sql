-- How many instances are open in each state, how many of them are stuck, and since when is the oldest there?
WITH
{% set live = true %}{% set part = 'now' %}{% include '_path.sql' %},
{% include '_runs.sql' %}
SELECT state, argMin(status, (entered_at, environment, instance_id)) AS status,
       argMin(terminal, (entered_at, environment, instance_id)) = 1 AS terminal, count() AS open,
       countIf(stuck_in_state OR stuck_in_run) AS stuck, min(entered_at) AS oldest_entered_at
FROM runs
WHERE open
GROUP BY state
ORDER BY state

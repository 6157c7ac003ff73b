-- Which runs has one instance had, and how did each end?
WITH
{% set source = 'events' %}{% set probes = true %}{% include '_path.sql' %},
{% include '_runs.sql' %}
SELECT environment, run, started_at, start_unseen = 1 AS start_unseen, ended_at, ended_how, state, status,
       visible_at, completed_at
FROM runs
ORDER BY environment, instance_id, run

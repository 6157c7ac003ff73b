-- What share of the jobs that reached an end did so because their last permitted attempt failed?
WITH
{% include '_jobs.sql' %}
SELECT count() AS ended, countIf(ended_jobs.exhausted) AS exhausted, if(ended = 0, NULL, countIf(ended_jobs.exhausted) / ended) AS rate
FROM ended_jobs

-- How many outbox records wait to be dispatched, and how long has the oldest waited?
WITH
{% include '_outbox.sql' %}
SELECT count() AS depth, minOrNull(recorded_at) AS oldest_recorded_at,
       if(depth = 0, 0., dateDiff('microsecond', min(recorded_at),
                                  fromUnixTimestamp64Micro({flushed:Int64}, 'UTC')) / 1e6) AS lag
FROM pending_outbox

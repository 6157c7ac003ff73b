-- Up to when is everything received in the store, and which collector holds that back?
SELECT min(flushed_at) AS flushed, argMin(collector, flushed_at) AS collector, count() AS collectors
FROM collector_marks FINAL
WHERE NOT retired

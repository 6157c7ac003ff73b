-- Up to when is everything received in the store, and which collector holds that back?
-- Where all collectors have left, what the last of them said still holds: nothing has come since.
SELECT if(live = 0, maxIf(flushed_at, retired), minIf(flushed_at, NOT retired)) AS flushed,
       if(live = 0, argMaxIf(collector, flushed_at, retired), argMinIf(collector, flushed_at, NOT retired)) AS collector,
       countIf(NOT retired) AS live, count() AS collectors
FROM collector_marks FINAL

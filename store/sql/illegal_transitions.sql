-- What share of the committed transitions is not declared by the version that judges them?
WITH
{% set part = 'steps' %}{% include '_path.sql' %}
SELECT count() AS committed, countIf(declared IS NULL) AS unjudged, countIf(declared = 0) AS illegal,
       if(committed = 0, NULL, illegal / committed) AS rate
FROM path
WHERE NOT is_visible AND effective_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC')
  AND effective_at < fromUnixTimestamp64Micro(least({to:Int64}, {settled:Int64}), 'UTC')

-- Which ways were taken in the window, how often, and were they declared?
WITH
{% set part = 'steps' %}{% include '_path.sql' %}
SELECT came_from AS from_state, went_to AS to_state, act AS action, count() AS count,
       if(countIf(declared IS NOT NULL) = 0, NULL, countIf(declared = 0) = 0) AS declared
FROM path
WHERE NOT is_visible
  AND effective_at >= fromUnixTimestamp64Micro({from_:Int64}, 'UTC')
  AND effective_at < fromUnixTimestamp64Micro({to:Int64}, 'UTC')
GROUP BY from_state, to_state, action
ORDER BY from_state, to_state, action

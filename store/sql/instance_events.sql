-- Every event of one instance, each once, in time order.
WITH {% include '_events.sql' %}
SELECT * EXCEPT (judged_version, judged), judged_version
FROM unique_events
ORDER BY environment, effective_at, event_id

-- How many are left?
SELECT count() AS outdated
FROM (
    SELECT tenant FROM {% include 'settling/_outdated.sql' %}
)

-- How to find them again.
INSERT INTO finished (key, settlement, first_at, last_at)
SELECT sipHash64(tenant, workflow_type, environment, instance_id), {settlement:UInt64}, first_at, last_at
FROM {% include 'settling/_departing.sql' %}

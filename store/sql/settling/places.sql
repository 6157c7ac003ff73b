-- Which types run where, of those touched?
SELECT DISTINCT tenant, workflow_type, environment FROM settling_instances
ORDER BY tenant, workflow_type, environment

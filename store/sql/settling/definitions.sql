-- What do the definitions in force say that decides about visits and runs?
SELECT tenant, workflow_type, workflow_version, newest, order_by, lateness, starts, visible, states, edges
FROM definitions
WHERE (tenant, revision) IN (SELECT tenant, max(revision) FROM definitions GROUP BY tenant) AND workflow_type != ''
ORDER BY tenant, workflow_type, workflow_version

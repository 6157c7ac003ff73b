-- Each event once: the copy received first is kept.
INSERT INTO settling_events
SELECT {% include 'settling/_columns.sql' %},
       concat(tenant, '\0', workflow_type, '\0', environment) AS place
FROM settling_received
ORDER BY received_at, collector, segment, position
LIMIT 1 BY tenant, workflow_type, environment, instance_id, event_id

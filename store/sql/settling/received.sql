-- What has one collector stored since the last settlement?
INSERT INTO settling_received ({% include 'settling/_columns.sql' %})
SELECT {% include 'settling/_columns.sql' %}
FROM events
WHERE collector = {collector:String} AND segment > {after:UInt64} AND segment <= {upto:UInt64}
  AND workflow_type != '' AND event != 'heartbeat'

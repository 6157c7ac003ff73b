-- How much has one collector stored since the last settlement, segment by segment?
SELECT segment, count() AS rows, min(received_at) AS oldest
FROM events
WHERE collector = {collector:String} AND segment > {after:UInt64} AND segment <= {upto:UInt64}
GROUP BY segment
ORDER BY segment

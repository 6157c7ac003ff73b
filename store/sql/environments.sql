-- In which environments does this workflow type run?
SELECT DISTINCT environment
FROM workflow_types
WHERE tenant = {tenant:String} AND workflow_type = {workflow:String}
ORDER BY environment

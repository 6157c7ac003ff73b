-- Which definitions are in force?
SELECT workflow_type, workflow_version, digest, source
FROM definitions
WHERE tenant = {tenant:String} AND revision = (SELECT max(revision) FROM definitions WHERE tenant = {tenant:String})
ORDER BY workflow_type, workflow_version

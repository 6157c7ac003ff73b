{# The events of one workflow type, each once, with what judges them. Ends without a comma. #}
{# Parameters: tenant, workflow, environments (empty for all), instance_id ('' for all). #}
{# Every step below is read by exactly one other: the engine inlines, and analyses again, whatever is read twice. #}
definition AS (
    SELECT *
    FROM definitions
    WHERE tenant = {tenant:String} AND workflow_type = {workflow:String}
      AND revision = (SELECT max(revision) FROM definitions WHERE tenant = {tenant:String})
),
(
    SELECT (count() > 0, groupArray(toString(workflow_version)), anyIf(toString(workflow_version), newest),
            countIf(newest AND order_by = 'sequence') > 0, countIf(newest AND visible) > 0, anyIf(starts, newest))
    FROM definition
) AS declared_type,
declared_type.1 AS has_definition,
declared_type.2 AS declared_versions,
declared_type.3 AS newest_version,
declared_type.4 AS by_sequence,
declared_type.5 AS visible_step,
declared_type.6 AS clock_starts,
-- the copy received first is kept
unique_events AS (
    SELECT *,
           if(workflow_version = '', newest_version, workflow_version) AS judged_version,
           has(declared_versions, judged_version) AS judged,
           max(actor_type = 'probe') OVER (PARTITION BY environment, instance_id) AS probe
    FROM (
        SELECT *, effective_at
        FROM events
        WHERE tenant = {tenant:String} AND workflow_type = {workflow:String}
          AND (empty({environments:Array(String)}) OR has({environments:Array(String)}, environment))
          AND ({instance_id:String} = '' OR instance_id = {instance_id:String})
        ORDER BY received_at, collector, segment, position
        LIMIT 1 BY environment, instance_id, event_id
    )
)

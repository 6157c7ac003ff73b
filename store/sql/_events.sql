{# The events of one workflow type, each once. Ends without a comma.
   Parameters: tenant, workflow, environments (empty for all), instance_id ('' for all).
   What the definitions in force say comes as parameters as well (store/judging.py), and by_sequence decides which text is
   put together: joining them here made the engine spend more on analysing the query than on running it. For the same
   reason every step below is read by exactly one other, and names its columns. #}
-- the copy received first is kept
unique_events AS (
    SELECT {{{ columns }}}, environment, instance_id, event_id, effective_at,
           max(actor_type = 'probe') OVER (PARTITION BY environment, instance_id) AS probe,
           if(workflow_version = '', {newest_version:String}, workflow_version) AS judged_version
    FROM (
        SELECT {{{ columns }}}, environment, instance_id, event_id, effective_at, actor_type, workflow_version
        FROM events
        WHERE tenant = {tenant:String} AND workflow_type = {workflow:String}
          AND (empty({environments:Array(String)}) OR has({environments:Array(String)}, environment))
          AND ({instance_id:String} = '' OR instance_id = {instance_id:String})
        ORDER BY received_at, collector, segment, position
        LIMIT 1 BY environment, instance_id, event_id
    )
)

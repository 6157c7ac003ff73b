{# What counts of a table about departed instances (visits, jobs) for one workflow type. #}
    WHERE tenant = {tenant:String} AND workflow_type = {workflow:String}
      AND (empty({environments:Array(String)}) OR has({environments:Array(String)}, environment))
      AND settlement <= {settlement:UInt64}
      AND (environment, instance_id, settlement) NOT IN (
          SELECT environment, instance_id, departed FROM returns
          WHERE tenant = {tenant:String} AND workflow_type = {workflow:String} AND settlement <= {settlement:UInt64})

{# The rows of open_instances that count for one workflow type: those of the settlement that readers go by. #}
open_instances FINAL
    WHERE tenant = {tenant:String} AND workflow_type = {workflow:String}
      AND (empty({environments:Array(String)}) OR has({environments:Array(String)}, environment))
      AND visible_from <= {settlement:UInt64}
      AND (environment, instance_id) NOT IN (
          SELECT environment, instance_id FROM departures
          WHERE settlement = {settlement:UInt64} AND tenant = {tenant:String} AND workflow_type = {workflow:String})

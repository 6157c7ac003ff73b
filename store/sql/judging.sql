-- What does a revision of the definitions say, as the arrays that the figures look things up in?
SELECT count() > 0 AS has_definition,
       groupArray(toString(workflow_version)) AS declared_versions,
       groupArray(tuple(stuck_after)).1 AS version_limit,
       anyIf(toString(workflow_version), newest) AS newest_version,
       countIf(newest AND order_by = 'sequence') > 0 AS by_sequence,
       countIf(newest AND visible) > 0 AS visible_step,
       anyIf(starts, newest) AS clock_starts,
       anyIf(lateness, newest) AS lateness,
       arrayFlatten(groupArray(arrayMap(s -> concat(workflow_version, '\0', s.name), states))) AS state_keys,
       arrayFlatten(groupArray(states.status)) AS state_status,
       arrayFlatten(groupArray(states.terminal)) AS state_terminal,
       arrayFlatten(groupArray(states.stuck_after)) AS state_limit,
       -- an event without an action is judged by its states alone: the key with the empty action
       arrayDistinct(arrayFlatten(groupArray(arrayFlatten(arrayMap(e -> [
           concat(workflow_version, '\0', e.from_state, '\0', e.to_state, '\0', e.action),
           concat(workflow_version, '\0', e.from_state, '\0', e.to_state, '\0')], edges))))) AS edge_keys,
       arrayDistinct(arrayFlatten(groupArray(arrayFlatten(arrayMap(e -> [
           concat(workflow_version, '\0', e.from_state, '\0', e.to_state, '\0', e.action),
           concat(workflow_version, '\0', e.from_state, '\0', e.to_state, '\0')], arrayFilter(e -> e.reenter, edges)))))) AS reenter_keys,
       arrayFlatten(groupArray(arrayMap(j -> concat(workflow_version, '\0', j.job_type), jobs))) AS job_keys,
       arrayFlatten(groupArray(jobs.max_attempts)) AS job_max_attempts
FROM definitions
WHERE tenant = {tenant:String} AND workflow_type = {workflow:String}
  AND revision = {revision:UInt64}

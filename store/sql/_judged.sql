{# From `structure` to `path`: what the definitions in force say of each row. Judged when read, never when stored, so a
   corrected definition applies to what has been. Ends without a comma. #}
known AS (
    SELECT *,
           if(about.1 = '', {newest_version:String}, about.1) AS judged_version,
           has({declared_versions:Array(String)}, judged_version) AS judged,
           if(judged, judged_version, {newest_version:String}) AS known_version,
           if(judged, indexOf({declared_versions:Array(String)}, judged_version), 0) AS version_at,
           indexOf({state_keys:Array(String)}, concat(known_version, '\0', went_to)) AS state_at,
           if(entered_at IS NULL, 0, indexOf({state_keys:Array(String)}, concat(known_version, '\0', came_from))) AS from_at
    FROM structure
),
path AS (
    SELECT *,
           -- what is replayed or taken over from elsewhere took no edge here
           if(judged AND class_ != 'replay',
              has({edge_keys:Array(String)}, concat(judged_version, '\0', came_from, '\0', went_to, '\0', act)), NULL) AS declared,
           if(state_at = 0, 0, {state_terminal:Array(UInt8)}[state_at]) AS terminal,
           if(state_at = 0, '', {state_status:Array(String)}[state_at]) AS status,
           if(judged AND state_at != 0, {state_limit:Array(Nullable(Float64))}[state_at], NULL) AS limit_seconds
    FROM known
)

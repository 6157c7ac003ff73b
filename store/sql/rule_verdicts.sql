-- What was last found of each group of rules in force?
SELECT rule_group, verdicts, toUnixTimestamp64Micro(saved_at) AS saved_at
FROM rule_verdicts FINAL
WHERE tenant = {tenant:String}
ORDER BY rule_group

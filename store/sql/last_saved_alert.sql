-- When was the latest state of an alert saved?
SELECT toUnixTimestamp64Micro(max(saved_at)) AS saved_at FROM alert_states WHERE tenant = {tenant:String}

-- How has one alert changed? Oldest first.
SELECT at, alert, change
FROM alert_history
WHERE tenant = {tenant:String} AND fingerprint = {fingerprint:String}
ORDER BY at, change

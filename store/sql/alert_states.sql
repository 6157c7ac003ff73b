-- Where does each alert stand?
SELECT fingerprint, state
FROM alert_states FINAL
WHERE tenant = {tenant:String}
ORDER BY fingerprint

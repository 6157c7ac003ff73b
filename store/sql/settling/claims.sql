-- Who has claimed this settlement?
SELECT attempt, settler, claimed_at FROM settlement_claims
WHERE settlement = {settlement:UInt64}
ORDER BY attempt DESC
LIMIT 1

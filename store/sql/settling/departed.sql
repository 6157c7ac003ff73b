-- How many depart in this settlement?
SELECT count() AS departed FROM departures WHERE settlement = {settlement:UInt64}

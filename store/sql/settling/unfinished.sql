-- Has a settlement begun that does not count?
SELECT (SELECT count() FROM departures WHERE settlement > {settlement:UInt64}) AS departures,
       (SELECT count() FROM visits WHERE settlement > {settlement:UInt64}) AS visits,
       (SELECT count() FROM jobs WHERE settlement > {settlement:UInt64}) AS jobs,
       (SELECT count() FROM finished WHERE settlement > {settlement:UInt64}) AS finished,
       (SELECT count() FROM returns WHERE settlement > {settlement:UInt64}) AS returns,
       (SELECT count() FROM open_instances WHERE visible_from > {settlement:UInt64}) AS open_instances

"""What a settlement writes is on disk before the settlement counts, in both kinds of store."""

from store import Database

WRITTEN = (
    "departures",
    "events",
    "finished",
    "jobs",
    "open_instances",
    "rejected_events",
    "returns",
    "settlements",
    "visits",
)


def test_what_must_survive_a_power_cut_is_synced_when_it_is_inserted(database: Database) -> None:
    rows = database.connect().query(
        "SELECT name FROM system.tables WHERE database = currentDatabase()"
        " AND create_table_query LIKE '%fsync_after_insert = 1%'"
        " AND create_table_query LIKE '%fsync_part_directory = 1%' ORDER BY name",
        {},
    )
    assert tuple(row["name"] for row in rows) == WRITTEN

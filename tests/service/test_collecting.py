"""How far the collector of a process says that it has come."""

from datetime import datetime, timedelta

import pytest

from service.clock import now
from service.collecting import Collecting
from store import Database
from store.watermark import Mark, last_mark, publish_mark


@pytest.mark.parametrize(
    ("absent", "waits"),
    [
        pytest.param(None, False, id="new here"),
        pytest.param(timedelta(seconds=3), False, id="restarted at once"),
        pytest.param(timedelta(minutes=5), True, id="away long enough for others to go on"),
        pytest.param(timedelta(hours=-1), False, id="a clock stepped back"),
    ],
)
@pytest.mark.parametrize("retired", [False, True])
def test_the_first_mark_after_an_absence(
    embedded_database: Database, absent: timedelta | None, waits: bool, retired: bool
) -> None:
    connection = embedded_database.connect()
    name = f"collector {absent} {retired}"
    before: datetime | None = None
    if absent is not None:
        before = now() - absent
        publish_mark(connection, Mark(name, before, before, 7, retired=retired))
    started = now()
    collecting = Collecting(embedded_database, name, 1.0)
    collecting.publish()
    mark = last_mark(connection, name)
    assert mark is not None
    assert (mark.flushed_at == before) if waits else (mark.flushed_at >= started)
    assert not mark.retired
    collecting.publish(leaving=True)
    gone = last_mark(connection, name)
    assert gone is not None
    assert gone.retired

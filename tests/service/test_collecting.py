"""The collector of a process: how far it says that it has come, and its way into real stores."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collector.limits import Limits
from lifecycle.events import Event
from service.clock import now, now_us
from service.collecting import Collecting
from store import Database
from store.blocks import block_of
from store.connection import Connection
from store.events import RejectedEvent
from store.watermark import Mark, last_mark, last_segment, publish_mark
from tests.collector.spooling import failing, rejected

QUICK = Limits(seal_seconds=0.0, retry_first=0.001, free_bytes=0)


@contextmanager
def collecting(database: Database, folder: Path, name: str) -> Iterator[Collecting]:
    """The collector of a folder, not started; what it holds is given up at the end."""
    folder.mkdir(exist_ok=True)
    (folder / "collector").write_text(name)
    found = Collecting(database, folder, limits=QUICK)
    try:
        yield found
    finally:
        found.spool.close()


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
    embedded_database: Database,
    tmp_path: Path,
    absent: timedelta | None,
    waits: bool,
    retired: bool,
) -> None:
    connection = embedded_database.connect()
    name = f"collector {absent} {retired}"
    before: datetime | None = None
    if absent is not None:
        before = now() - absent
        publish_mark(connection, Mark(name, before, before, 7, retired=retired))
    started = now()
    with collecting(embedded_database, tmp_path, name) as one:
        one.register()
        mark = last_mark(connection, name)
        assert mark is not None
        assert (mark.flushed_at == before) if waits else (mark.flushed_at >= started)
        assert not mark.retired
        assert mark.segment >= (7 if before else 0), "what is numbered up to here is stored"
        one.publish(leaving=True)
        gone = last_mark(connection, name)
        assert gone is not None
        assert gone.retired


def sent(tenant: str, count: int) -> list[Event]:
    return [
        Event(
            tenant=tenant,
            event="visible",
            event_id=f"e-{each}",
            workflow_type="order",
            instance_id=f"order-{each}",
            reason="poison" if each == 3 else "",
            occurred_at=now_us(),
            received_at=now_us(),
        )
        for each in range(count)
    ]


def refused(name: str, count: int) -> list[RejectedEvent]:
    """Received now: old ones expire at once."""
    return [replace(each, received_at=now_us()) for each in rejected(count, name)]


def rows(connection: Connection, tenant: str) -> list[dict[str, Any]]:
    return connection.query(
        "SELECT event_id, collector, segment, position FROM events"
        " WHERE tenant = {tenant:String} ORDER BY segment, position",
        {"tenant": tenant},
    )


async def taken(one: Collecting, events: Sequence[Event], **more: Any) -> None:
    """Accept, and wait until it is in the store."""
    await one.spool.submit(
        [block_of(events)], more.get("refused", ()), received_at=now_us(), reasons={}
    )
    async with asyncio.timeout(30):
        while not one.spool.empty:
            await asyncio.sleep(0.01)


async def test_what_is_accepted_is_in_the_store_once(
    database: Database, tmp_path: Path, tenant: str
) -> None:
    connection = database.connect()
    with collecting(database, tmp_path, tenant) as one:
        one.spool.start()
        # accepted before anybody knows of this collector, it goes to the store after its mark
        waiting = asyncio.create_task(taken(one, sent(tenant, 3), refused=refused(tenant, 2)))
        while not one.spool.counts().accepted:
            await asyncio.sleep(0.001)
        assert last_mark(connection, tenant) is None
        one.register()
        await waiting
        # the store took it, and the answer was lost
        with failing("inserted:error"):
            second = asyncio.create_task(taken(one, sent(tenant, 4), refused=refused(tenant, 1)))
            while one.spool.counts().failed_inserts < 2:
                await asyncio.sleep(0.001)
        await second
        one.publish()
        mark = last_mark(connection, tenant)
        assert mark is not None
    found = rows(connection, tenant)
    assert [(row["event_id"], row["position"]) for row in found] == [
        *((f"e-{each}", each) for each in range(3)),
        *((f"e-{each}", each) for each in range(4)),
    ]
    assert {row["collector"] for row in found} == {tenant}
    assert len({row["segment"] for row in found}) == 2
    assert mark.segment == found[-1]["segment"] == last_segment(connection, tenant)
    kept = connection.query(
        "SELECT count() AS kept FROM rejected_events WHERE field = {field:String}",
        {"field": tenant},
    )
    assert kept == [{"kept": 3}]


async def test_a_spool_that_was_inserted_before_the_crash_adds_nothing(
    database: Database, tmp_path: Path, tenant: str
) -> None:
    connection = database.connect()
    with collecting(database, tmp_path, tenant) as one:
        one.spool.start()
        await one.spool.submit([block_of(sent(tenant, 5))], (), received_at=1, reasons={})
        await one.spool.stop()
    (path,) = (tmp_path / "spool").glob("*.sealed")
    data = path.read_bytes()
    for _ in range(2):
        path.write_bytes(data)  # as if it had been killed before it was deleted
        with collecting(database, tmp_path, tenant) as one:
            one.spool.start()
            assert one.spool.counts().pending == 5
            one.register()
            async with asyncio.timeout(30):
                while not one.spool.empty:
                    await asyncio.sleep(0.01)
    assert len(rows(connection, tenant)) == 5
    assert not path.exists()


async def test_a_record_that_the_store_refuses_is_told_and_tried_again_after_a_fix(
    database: Database, tmp_path: Path, tenant: str
) -> None:
    connection = database.connect()
    name = f"nopoison_{tenant.replace('-', '_')}"
    rule = f"tenant != '{tenant}' OR reason != 'poison'"
    connection.command(f"ALTER TABLE events ADD CONSTRAINT {name} CHECK {rule}")
    try:
        with collecting(database, tmp_path, tenant) as one:
            one.spool.start()
            one.register()
            await taken(one, sent(tenant, 8))
            found = rows(connection, tenant)
            assert [row["position"] for row in found] == [0, 1, 2, 4, 5, 6, 7]
            assert one.spool.counts().quarantined_now == 1
            (told,) = connection.query(
                "SELECT reason, detail, position, JSONExtractString(raw, 'event_id') AS event_id"
                " FROM rejected_events WHERE tenant = {tenant:String}",
                {"tenant": tenant},
            )
            assert (told["reason"], told["event_id"]) == ("refused_by_store", "e-3")
            assert (told["position"], name in told["detail"]) == (3, True)
            connection.command(f"ALTER TABLE events DROP CONSTRAINT {name}")
            assert one.spool.retry() == 1
            async with asyncio.timeout(30):
                while not one.spool.empty:
                    await asyncio.sleep(0.01)
            last = rows(connection, tenant)[-1]
            assert (last["event_id"], last["position"]) == ("e-3", 0)
            assert last["segment"] > found[-1]["segment"]
            assert one.spool.counts().quarantined_now == 0
    finally:
        connection.command(f"ALTER TABLE events DROP CONSTRAINT IF EXISTS {name}")


async def test_a_table_that_is_not_there_is_waited_for(
    database: Database, tmp_path: Path, tenant: str
) -> None:
    connection = database.connect()
    with collecting(database, tmp_path, tenant) as one:
        one.spool.start()
        one.register()
        connection.command("RENAME TABLE events TO events_gone")
        try:
            waiting = asyncio.create_task(taken(one, sent(tenant, 2)))
            async with asyncio.timeout(30):
                while one.spool.counts().failed_inserts < 2:
                    await asyncio.sleep(0.01)
        finally:
            connection.command("RENAME TABLE events_gone TO events")
        await waiting
        assert one.spool.counts().quarantined_now == 0
    assert len(rows(connection, tenant)) == 2

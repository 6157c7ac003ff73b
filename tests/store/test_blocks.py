"""Blocks: what they hold, how they are stamped, and that a segment of them is one insert."""

from dataclasses import fields, replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.errors import StoreRefused
from lifecycle.events import EVENT_COLUMNS, Event
from store import Database
from store.blocks import (
    BLOCK_COLUMNS,
    BLOCK_TYPES,
    Block,
    block_of,
    block_of_columns,
    events_of,
    halves,
    stamped,
)
from store.events import insert_block
from store.native import NativeReader

_START = 1_790_000_000_000_000  # a moment of September 2026, in microseconds


def _events(count: int, tenant: str, first: int = 0) -> list[Event]:
    return [
        Event(
            tenant=tenant,
            event="transition",
            event_id=f"e{number}",
            workflow_type="order",
            instance_id=f"order-{number % 997}",
            occurred_at=_START + number,
            received_at=_START + number + 5,
            sequence=number % 7 or None,
            from_state="submitted",
            to_state="paid",
            outcome="committed",
            class_="normal",
        )
        for number in range(first, first + count)
    ]


_times = st.integers(946_684_800_000_000, 2**53)
_numbers = st.none() | st.integers(-(2**63), 2**63 - 1)
_texts = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["", "x" * 300])
_any_events = st.builds(
    Event,
    **{
        field.name: (
            st.just(field.default)
            if field.name in ("collector", "segment", "position")
            else _times
            if field.name in ("occurred_at", "received_at")
            else st.none() | _times
            if field.name in ("entered_at", "scheduled_at")
            else _numbers
            if "None" in str(field.type)
            else _texts
        )
        for field in fields(Event)
    },
)


@given(st.lists(_any_events, max_size=5))
def test_a_block_holds_the_events(events: list[Event]) -> None:
    block = block_of(events)
    assert block.rows == len(events)
    assert events_of(block) == events


@pytest.mark.parametrize("distinct", [1, 2, 256, 257, 65_536, 65_537])
def test_names_of_any_number(distinct: int) -> None:
    names = [f"n{number}" for number in range(distinct)] * 2
    times = [_START] * len(names)
    columns = {"action": names, "occurred_at": times, "received_at": times}
    block = block_of_columns(columns, len(names))
    ((rows, read),) = NativeReader(block.data).blocks()
    assert rows == len(names)
    assert read["action"] == names


def test_halves_are_the_whole() -> None:
    events = _events(7, "t")
    one, two = halves(block_of(events))
    assert (one.rows, two.rows) == (3, 4)
    assert events_of(one) + events_of(two) == events


def test_a_stamped_row_says_where_it_stands() -> None:
    first, second = _events(3, "t"), _events(2, "t", 3)
    data = stamped([block_of(first), block_of([]), block_of(second)], "c1", 2**63)
    rows = [
        dict(zip(columns, row, strict=True))
        for _, columns in NativeReader(data).blocks()
        for row in zip(*columns.values(), strict=True)
    ]
    assert [Event(**row) for row in rows] == [
        replace(event, collector="c1", segment=2**63, position=position)
        for position, event in enumerate(first + second)
    ]


def test_a_block_of_another_version_is_not_stamped() -> None:
    with pytest.raises(ValueError, match="other columns"):
        stamped([Block(1, b"\x03\x01")], "c1", 1)
    with pytest.raises(ValueError, match="other columns"):
        events_of(Block(2, block_of(_events(1, "t")).data))


def test_the_types_are_those_of_the_table(database: Database) -> None:
    rows = database.connect().query(
        "SELECT name, type FROM system.columns WHERE table = 'events' AND database = {db:String}",
        {"db": database.location.database},
    )
    types = {row["name"]: row["type"] for row in rows}
    assert {name: types[name] for name in BLOCK_COLUMNS} == BLOCK_TYPES
    assert set(EVENT_COLUMNS) - set(BLOCK_COLUMNS) == {"collector", "segment", "position"}


@cache
def _segment(tenant: str, blocks: int = 5, rows: int = 24_000) -> bytes:
    """Rows that differ in their ids only."""
    columns = {
        "tenant": [tenant] * rows,
        "event": ["heartbeat"] * rows,
        "attributes": ["{}"] * rows,
        "occurred_at": [_START] * rows,
        "received_at": [_START + 5] * rows,
    }
    made = [
        block_of_columns(columns | {"producer": [f"{number}-{row}" for row in range(rows)]}, rows)
        for number in range(blocks)
    ]
    return stamped(made, "c1", 7)


def test_a_segment_becomes_one_part_and_only_once(database: Database, tenant: str) -> None:
    connection = database.connect()
    connection.command("SYSTEM STOP MERGES events")
    parts = "SELECT count() AS n FROM (SELECT DISTINCT _part FROM events WHERE tenant = {t:String})"
    try:
        for _ in range(2):
            insert_block(connection, _segment(tenant), f"token-{tenant}")
        assert connection.query(parts, {"t": tenant}) == [{"n": 1}]
    finally:
        connection.command("SYSTEM START MERGES events")
    (row,) = connection.query(
        "SELECT count() AS rows, uniqExact(position) AS positions, max(position) AS last,"
        " uniqExact(content_hash) AS contents, groupUniqArray(segment) AS segments"
        " FROM events WHERE tenant = {t:String}",
        {"t": tenant},
    )
    assert row == {
        "rows": 120_000,
        "positions": 120_000,
        "last": 119_999,
        "contents": 120_000,
        "segments": [7],
    }


@pytest.mark.parametrize("flaw", ["cut short", "another type"])
def test_a_bad_last_block_leaves_nothing(database: Database, tenant: str, flaw: str) -> None:
    connection = database.connect()
    data = _segment(tenant)
    if flaw == "cut short":
        data = data[:-3]
    else:
        head, found, tail = data.rpartition(b"Nullable(Int64)")
        data = head + found.replace(b"Int64", b"Int63") + tail
    with pytest.raises(StoreRefused):
        insert_block(connection, data, f"token-{tenant}")
    count = "SELECT count() AS n FROM events WHERE tenant = {t:String}"
    assert connection.query(count, {"t": tenant}) == [{"n": 0}]
    insert_block(connection, _segment(tenant), f"token-{tenant}")
    assert connection.query(count, {"t": tenant}) == [{"n": 120_000}]


def test_copies_have_one_content_and_conflicts_another(database: Database, tenant: str) -> None:
    connection = database.connect()
    (event,) = _events(1, tenant)
    untimed = replace(event, occurred_at=event.received_at)
    rows = [
        event,
        replace(event, received_at=event.received_at + 9),
        replace(event, sequence=0),
        replace(event, sequence=1),
        replace(event, to_state="", action="paid"),
        replace(event, occurred_at=event.occurred_at + 1),
        untimed,
        replace(untimed, received_at=_START + 99, occurred_at=_START + 99),
    ]
    insert_block(connection, stamped([block_of(rows)], "c1", 1), f"token-{tenant}")
    found = connection.query(
        "SELECT content_hash AS content FROM events WHERE tenant = {t:String} ORDER BY position",
        {"t": tenant},
    )
    contents = [row["content"] for row in found]
    assert contents[0] == contents[1]
    assert contents[6] == contents[7]
    assert len(set(contents)) == len(rows) - 2

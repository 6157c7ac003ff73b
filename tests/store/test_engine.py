"""A query of the embedded engine that runs on: a block for each message, whatever came before."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lifecycle.errors import StoreRefused, StoreUnavailable
from store import Database
from store.dsn import parse_dsn
from store.engine import SOURCE, Engine, Transform
from store.native import NativeReader, varint

_SCHEMA = 'syntax = "proto3"; message Message { uint64 number = 1; string text = 2; }'
_SQL = f"""
SELECT number * 2 AS doubled, text, throwIf(number = 13) AS thrown
FROM file({SOURCE}, Protobuf, 'number UInt64, text String')
SETTINGS format_schema = '{{schema}}:Message', input_format_max_block_size_bytes = 1
"""


@pytest.fixture
def sql(tmp_path: Path) -> str:
    schema = tmp_path / "message.proto"
    schema.write_text(_SCHEMA)
    return _SQL.format(schema=schema)


@pytest.fixture
def transform(embedded_database: Database, sql: str) -> Iterator[Transform]:
    engine = Engine.at(embedded_database.location)
    assert engine is not None
    yield engine.transform(sql)
    engine.close()


def message(number: int, text: bytes = b"") -> list[bytes]:
    body = b"\x08" + varint(number) + b"\x12" + varint(len(text)) + text
    return [varint(len(body)), body]


def doubled(transform: Transform, number: int, text: bytes = b"") -> list[tuple[int, str]]:
    blocks = NativeReader(transform(message(number, text), lambda: False)).blocks()
    return [
        (value, word)
        for _, columns in blocks
        for value, word in zip(columns["doubled"], columns["text"], strict=True)
    ]


def test_each_message_is_a_block(transform: Transform) -> None:
    for number in range(100):
        assert doubled(transform, number + 20, b"a") == [(2 * number + 40, "a")]


def test_a_message_larger_than_a_pipe(transform: Transform) -> None:
    text = b"x" * 5_000_000
    assert doubled(transform, 1, text) == [(2, text.decode())]


def test_it_goes_on_after_an_error(transform: Transform) -> None:
    assert doubled(transform, 1) == [(2, "")]
    for bad in (message(13), [b"\x02\x08\xff"], [b"\x03\x12\x01"]):
        with pytest.raises((StoreRefused, StoreUnavailable)):
            transform(bad, lambda: True)
        assert doubled(transform, 2) == [(4, "")]


def test_a_message_that_never_ends_is_given_up_when_hopeless(transform: Transform) -> None:
    assert doubled(transform, 1) == [(2, "")]
    asked = threading.Event()

    def hopeless() -> bool:
        asked.set()
        return True

    with pytest.raises((StoreRefused, StoreUnavailable)):
        transform([varint(50), b"\x08\x01"], hopeless)
    assert asked.is_set()
    assert doubled(transform, 2) == [(4, "")]


def test_a_call_can_be_ended_from_another_thread(transform: Transform) -> None:
    assert doubled(transform, 1) == [(2, "")]
    waiting = threading.Event()

    def hopeless() -> bool:
        waiting.set()
        return False

    def abort() -> None:
        assert waiting.wait(20)
        transform.abort()

    thread = threading.Thread(target=abort)
    thread.start()
    with pytest.raises((StoreRefused, StoreUnavailable)):
        transform([varint(50), b"\x08\x01"], hopeless)
    thread.join()
    assert doubled(transform, 2) == [(4, "")]


def test_closed_for_good(embedded_database: Database, sql: str) -> None:
    engine = Engine.at(embedded_database.location)
    assert engine is not None
    transform = engine.transform(sql)
    assert doubled(transform, 1) == [(2, "")]
    engine.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        doubled(transform, 1)


def test_a_query_that_never_worked_is_not_blamed_on_the_message(
    embedded_database: Database,
) -> None:
    engine = Engine.at(embedded_database.location)
    assert engine is not None
    try:
        with pytest.raises(StoreUnavailable, match="no_such_function"):
            engine.transform(f"SELECT no_such_function({SOURCE})")(message(1), lambda: False)
    finally:
        engine.close()


def test_a_process_has_one_engine(embedded_database: Database, sql: str, tmp_path: Path) -> None:
    engine = Engine.at(parse_dsn(f"chdb://{tmp_path}/elsewhere"))
    assert engine is not None
    with pytest.raises(StoreUnavailable, match="does not start"):
        engine.transform(sql)(message(1), lambda: False)
    engine.close()


def test_a_process_ends_while_a_query_runs_on(sql: str) -> None:
    """Beside a server, in memory; nobody has closed it."""
    script = f"""
import sys
from store.dsn import parse_dsn
from store.engine import Engine
engine = Engine.at(parse_dsn("http://nowhere:8123/donewatch"))
block = engine.transform({sql!r})({message(7)!r}, lambda: False)
sys.exit(3 if len(block) > 20 else 4)
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], timeout=60, check=False
    )
    assert ended.returncode == 3

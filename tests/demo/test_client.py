"""What users experience, as the client records it."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from demo.app.client import Traffic
from demo.app.database import connect

Answer = Callable[[httpx.Request], httpx.Response]


def _accepted(_: httpx.Request) -> httpx.Response:
    return httpx.Response(202, json={})


def _refused(_: httpx.Request) -> httpx.Response:
    return httpx.Response(422, json={})


def _away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def _shown(*states: str) -> Answer:
    """The read model answers with these states in turn; an empty one is not known yet."""
    answers = iter(states)

    def answer(_: httpx.Request) -> httpx.Response:
        state = next(answers)
        return httpx.Response(200, json={"state": state}) if state else httpx.Response(404)

    return answer


@pytest.fixture
def outcomes(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = connect(tmp_path / "client.sqlite", "client")
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("orders", "shown", "leaving", "outcome", "accepted"),
    [
        pytest.param(_accepted, _shown("completed"), False, "completed", True, id="complete"),
        pytest.param(
            _accepted, _shown("", "paid", "completed"), False, "completed", True, id="late"
        ),
        pytest.param(_accepted, _shown("failed"), False, "failed", True, id="declined"),
        pytest.param(_refused, _shown(), False, "refused", False, id="not taken"),
        pytest.param(_accepted, _away, True, "given_up", True, id="the shop closes"),
        pytest.param(_accepted, _shown("completed"), True, "completed", True, id="just in time"),
    ],
)
async def test_every_order_has_an_outcome(
    outcomes: sqlite3.Connection,
    orders: Answer,
    shown: Answer,
    leaving: bool,
    outcome: str,
    accepted: bool,
) -> None:
    stop = asyncio.Event()
    if leaving:
        stop.set()
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(orders), base_url="http://o.invalid") as o,
        httpx.AsyncClient(transport=httpx.MockTransport(shown), base_url="http://r.invalid") as r,
    ):
        assert await Traffic(outcomes, o, r, stop).order() == outcome
    [row] = outcomes.execute("SELECT accepted_at, ended_at, outcome FROM outcomes").fetchall()
    assert row["outcome"] == outcome
    assert (row["accepted_at"] is not None) is accepted
    assert row["ended_at"] is not None

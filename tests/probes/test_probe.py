"""A probe measures acceptance to visible, and says what went wrong where it could not."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from probes import HttpPath, Probe, ProbeRun

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Time:
    """A clock that moves only when the probe sleeps."""

    at: datetime = field(default=START)

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def _look(*states: str | int) -> Callable[[httpx.Request], httpx.Response]:
    """An application that accepts, then answers looks with these states (or status codes)."""
    answers = iter(states)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            assert request.headers["Actor-Type"] == "probe"
            assert b"probe-1" in request.content
            return httpx.Response(202)
        assert request.url.path == "/orders/probe-1"
        state = next(answers, states[-1])
        if isinstance(state, int):
            return httpx.Response(state)
        return httpx.Response(200, json={"state": state})

    return answer


def _away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


async def _run(answer: Callable[[httpx.Request], httpx.Response]) -> ProbeRun:
    time = Time()
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(answer),
        base_url="http://shop.invalid",
        headers={"Actor-Type": "probe"},
    ) as client:
        path = HttpPath(
            client=client,
            submit_url="/orders",
            body={"order_id": "{operation_id}", "amount": 100},
            look_url="/orders/{operation_id}",
        )
        probe = Probe(name="order", path=path, timeout=5.0, interval=0.5)
        return await probe.run("probe-1", now=time.now, sleep=time.sleep)


@pytest.mark.parametrize(
    ("answer", "lag", "error"),
    [
        pytest.param(_look("completed"), 0.0, "", id="visible at the first look"),
        pytest.param(_look(404, "paid", 500, "completed"), 1.5, "", id="visible at the fourth"),
        pytest.param(_look("paid"), None, "not visible 5 s after", id="never visible"),
        pytest.param(_look("paid", "failed"), None, "ended as failed", id="it ended otherwise"),
        pytest.param(lambda _: httpx.Response(503), None, "refused .*: 503", id="not accepted"),
        pytest.param(_away, None, "could not submit", id="nobody listens"),
    ],
)
async def test_a_run_says_how_long_it_took_or_what_failed(
    answer: Callable[[httpx.Request], httpx.Response], lag: float | None, error: str
) -> None:
    run = await _run(answer)
    assert run.completion_lag == lag
    if error:
        assert run.visible_at is None
        assert re.search(error, run.error)
    else:
        assert run.error == ""

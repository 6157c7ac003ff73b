"""Reading and following a stream of events."""

import json
from collections.abc import Iterator

import pytest

from service.terminal.client import Client, CouldNotRun
from service.terminal.stream import Message, follow, messages
from tests.service_cli.fake import PROBLEM, Answer, Fake

STREAM = "text/event-stream"

TEXTS = [
    pytest.param("data: a\n\n", [Message("", "a", "")], id="one"),
    pytest.param("data:a\ndata: b\n\n", [Message("", "a\nb", "")], id="two lines of data"),
    pytest.param("event: problem\ndata: a\n\n", [Message("problem", "a", "")], id="a name"),
    pytest.param(
        "id: 1\n\ndata: a\n\n", [Message("", "", "1"), Message("", "a", "1")], id="an id stays"
    ),
    pytest.param("retry: 5\n: a comment\nid\n\n", [Message("", "", "")], id="nothing of ours"),
    pytest.param("data: a\r\n\r\n", [Message("", "a", "")], id="lines of another system"),
    pytest.param("data: é\u2028\x85\n\n", [Message("", "é\u2028\x85", "")], id="other line ends"),
    pytest.param("data: a\n", [], id="cut off before its end"),
    pytest.param("", [], id="nothing"),
]


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize(("text", "found"), TEXTS)
def test_messages(text: str, found: list[Message], size: int) -> None:
    data = text.encode()
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    assert list(messages(pieces)) == found


def stream(*numbers: int, tail: str = "") -> Answer:
    text = "".join(f'id: at-{number}\ndata: {{"n": {number}}}\n\n' for number in numbers)
    return Answer(200, (": hello\nid: at-0\n\n" + text + tail).encode(), STREAM)


def problem(status: int) -> Answer:
    return Answer(status, json.dumps({"detail": "no", "fix": "later"}).encode(), PROBLEM)


class Following:
    """Follows a fake; keeps what was remarked and how long it waited."""

    def __init__(self, fake: Fake) -> None:
        self.notes: list[str] = []
        self.waits: list[float] = []
        self._client = Client(fake.url, "", start="start one")
        self._events = follow(
            self._client, {"kind": ["job", "visible"]}, self.notes.append, self.waits.append
        )

    def next(self) -> object:
        return next(self._events)["n"]

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def following(request: pytest.FixtureRequest) -> Iterator[tuple[Following, Fake]]:
    with Fake(*request.param) as fake:
        found = Following(fake)
        yield found, fake
        found.close()


BROKEN = [stream(1, 2, tail="data: cut"), problem(503), problem(429), stream(3)]


@pytest.mark.parametrize("following", [BROKEN], indirect=True)
def test_it_goes_on_where_it_was(following: tuple[Following, Fake]) -> None:
    found, fake = following
    assert [found.next(), found.next(), found.next()] == [1, 2, 3]
    assert [asked.headers.get("last-event-id") for asked in fake.asked] == [None] + ["at-2"] * 3
    assert all("kind=job&kind=visible" in asked.path for asked in fake.asked)
    assert found.waits == [0.5, 1.0, 2.0]
    assert len(found.notes) == 2 and "trying again" in found.notes[0]
    assert found.notes[1] == "connected again"


@pytest.mark.parametrize("following", [[stream(), stream(7)]], indirect=True)
def test_a_quiet_stream_has_a_position_too(following: tuple[Following, Fake]) -> None:
    found, fake = following
    assert found.next() == 7
    assert fake.asked[1].headers["last-event-id"] == "at-0"


REFUSED = [
    pytest.param([problem(503)], 0, id="at first, that it is full"),
    pytest.param([problem(422)], 0, id="a wrong kind"),
    pytest.param([stream(1), problem(401)], 1, id="later, that the token is known no more"),
]


@pytest.mark.parametrize(("following", "events"), REFUSED, indirect=["following"])
def test_refused(following: tuple[Following, Fake], events: int) -> None:
    found, _ = following
    for _ in range(events):
        found.next()
    with pytest.raises(CouldNotRun, match="no"):
        found.next()


AWAY = 'event: problem\ndata: {"detail": "the store is away", "fix": "wait"}\n\n'


@pytest.mark.parametrize("following", [[stream(1, tail=AWAY), stream(2)]], indirect=True)
def test_a_problem_on_the_way_is_told(following: tuple[Following, Fake]) -> None:
    found, _ = following
    assert [found.next(), found.next()] == [1, 2]
    assert found.notes[0] == "the store is away (wait)"

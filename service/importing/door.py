"""What takes events: a collector over HTTP, or its check alone."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import httpx

from collector.check import Checker
from collector.limits import Limits
from collector.native import decode_native
from collector.records import Reason, Refusal
from lifecycle.access import DEFAULT_TENANT
from service.terminal.client import API, Client, CouldNotRun, NotFound, Unreachable

_PATH: Final = f"{API}/events"
_LINES: Final = "application/x-ndjson"
_LATER: Final = frozenset({408, 429, 502, 503, 504})
_SMALLER: Final = frozenset({400, 413})
_FIRST_WAIT: Final = 0.25  # seconds, doubled with each attempt
_LONGEST_WAIT: Final = 10.0
_LONGEST_TOLD: Final = 60.0  # of a wait that the collector asks for
_MARK: Final = b"\xef\xbb\xbf"
_ARRAY: Final = "the record is an array; an event is a JSON object"


@dataclass(frozen=True, slots=True)
class No:
    """One event of a batch that is not taken."""

    index: int
    reason: Reason
    field: str
    error: str


@dataclass(slots=True)
class Answer:
    """What became of a batch."""

    accepted: int = 0
    refused: list[No] = field(default_factory=list)

    def add(self, other: "Answer", offset: int) -> None:
        """The answer to events that came ``offset`` after those of this one."""
        self.accepted += other.accepted
        self.refused += [
            No(each.index + offset, each.reason, each.field, each.error) for each in other.refused
        ]


class Stopped(Exception):
    """Told to end while waiting to try again."""


class Patience(Protocol):
    """Waits between attempts; several threads at once."""

    def wait(self, seconds: float, why: str) -> None:
        """Wait. :raises Stopped: it is over."""


class Door(ABC):
    """Takes events, one line of JSON each."""

    def take(self, texts: Sequence[bytes]) -> Answer:
        """Send them.

        :raises CouldNotRun: they cannot be sent at all. :raises Stopped: waiting was ended.
        """
        answer = Answer()
        start = 0
        # a body that begins with [ is one array, and the lines after it part of it
        while start < len(texts) and texts[start].removeprefix(_MARK).lstrip().startswith(b"["):
            no = No(start, Reason.MALFORMED, "", _ARRAY)
            answer.refused.append(no)
            start += 1
        if start < len(texts):
            answer.add(self._take(texts[start:]), start)
        return answer

    @abstractmethod
    def _take(self, texts: Sequence[bytes]) -> Answer: ...


class CheckDoor(Door):
    """Checks as a collector does, and sends nothing. ``clock`` in microseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._limits = Limits()

    def _take(self, texts: Sequence[bytes]) -> Answer:
        check = Checker(
            tenant=DEFAULT_TENANT,
            collector="",
            received_at=self._clock(),
            limits=self._limits,
        )
        records = decode_native(b"\n".join(texts), self._limits, lines=True)
        refused = [each for each in map(check, records) if isinstance(each, Refusal)]
        return Answer(
            len(records) - len(refused),
            [No(each.index, each.reason, each.field, each.error) for each in refused],
        )


class CollectorDoor(Door):
    """Sends to a running collector; tries again for at most ``seconds`` of waiting a batch."""

    def __init__(
        self, client: Client, check: CheckDoor, patience: Patience, *, seconds: float
    ) -> None:
        self._client = client
        self._check = check
        self._patience = patience
        self._seconds = seconds

    def greet(self) -> None:
        """Whether there is a collector that would take events from us.

        :raises CouldNotRun: there is none, or it wants another token; says what to do.
        """
        answer = self._client.post(_PATH, b"", _LINES)
        if answer.status_code not in _LATER:
            self._checked(answer)

    def _take(self, texts: Sequence[bytes]) -> Answer:
        answer = self._post(b"\n".join(texts))
        if answer.status_code in _SMALLER and len(texts) > 1:
            half = len(texts) // 2
            found = self.take(texts[:half])
            found.add(self.take(texts[half:]), half)
            return found
        if answer.status_code in _SMALLER:
            reason = Reason.TOO_LARGE if answer.status_code == 413 else Reason.MALFORMED
            return Answer(0, [No(0, reason, "", f"the record is refused: {self._detail(answer)}")])
        self._checked(answer)
        return self._read(answer, texts)

    def _post(self, body: bytes) -> httpx.Response:
        """The answer, once it is one: events sent twice count once."""
        waited, step = 0.0, _FIRST_WAIT
        while True:
            later = 0.0
            try:
                answer = self._client.post(_PATH, body, _LINES)
                if answer.status_code not in _LATER:
                    return answer
                later = _told(answer)
                why = f"the collector asks for patience (HTTP {answer.status_code})"
                if waited >= self._seconds:
                    self._checked(answer)
            except Unreachable:
                if waited >= self._seconds:
                    raise
                why = "the collector does not answer"
            # spread, so that requests under way together do not come back together
            pause = later or step * random.uniform(0.5, 1.0)  # noqa: S311
            self._patience.wait(pause, why)
            waited += pause
            step = min(2 * step, _LONGEST_WAIT)

    def _checked(self, answer: httpx.Response) -> None:
        try:
            self._client.check(answer)
        except NotFound as error:
            raise CouldNotRun(
                f"{self._client.url} takes no events ({error}); name the collector's port with --to"
            ) from error

    def _read(self, answer: httpx.Response, texts: Sequence[bytes]) -> Answer:
        try:
            found = answer.json()
            accepted = int(found["accepted"])
            refused = [(each["index"], each["field"], each["error"]) for each in found["rejected"]]
            told = accepted + len(refused) == len(texts)
        except (ValueError, KeyError, TypeError):
            told = False
        if not told:
            raise CouldNotRun(
                f"what answers at {self._client.url} is not a collector of donewatch: it was sent"
                f" {len(texts)} events and said {answer.text[:80]!r}"
            )
        reasons = self._reasons([texts[index] for index, _, _ in refused])
        return Answer(
            accepted,
            [
                No(index, reason, name, error)
                for (index, name, error), reason in zip(refused, reasons, strict=True)
            ],
        )

    def _reasons(self, texts: Sequence[bytes]) -> list[Reason]:
        """A collector answers in sentences; what kind of flaw it is, our own check knows."""
        if not texts:
            return []
        found = {each.index: each.reason for each in self._check.take(texts).refused}
        return [found.get(index, Reason.MALFORMED) for index in range(len(texts))]

    @staticmethod
    def _detail(answer: httpx.Response) -> str:
        try:
            return str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            return f"HTTP {answer.status_code}"


def _told(answer: httpx.Response) -> float:
    """Seconds that the collector asks to wait; 0 if it does not say."""
    try:
        return min(max(float(answer.headers.get("retry-after", 0)), 0.0), _LONGEST_TOLD)
    except ValueError:  # a date
        return 0.0

"""Several bodies through the engine at once: the perfectly ordinary come out as one block."""

import logging
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from collector.engine import ODD, TAIL, WITHOUT_ID, window_query
from collector.frames import count_records, is_sound
from collector.limits import Limits
from lifecycle.errors import StoreRefused
from store.blocks import Block, block_with_tail
from store.native import varint

_LOG: Final = logging.getLogger(__name__)


class Transform(Protocol):
    """A query that runs on; see ``store.engine.Transform``."""

    def __call__(self, message: Sequence[bytes], hopeless: Callable[[], bool]) -> bytes:
        """The Native block of one message; ``hopeless`` is asked if that takes long.

        :raises StoreError: there is none.
        """
        ...

    def abort(self) -> None:
        """End a call, from another thread."""
        ...


class Engine(Protocol):
    """Makes transforms; see ``store.engine.Engine``."""

    def transform(self, sql: str) -> Transform:
        """A query that reads messages and writes a block of each."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A body as it came; ``received_at`` in microseconds."""

    body: bytes
    tenant: str
    received_at: int


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Window:
    """What several bodies hold: one block of all their events, none of which is refused."""

    block: Block
    received_at: int  # the first body, microseconds


@dataclass(frozen=True, slots=True)
class Part:
    """One body's part of a window."""

    window: Window
    records: int


class WindowDecoder:
    """Decodes windows of OTLP logs in protobuf. Of one thread, but for ``abort``."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._limits = limits
        self._plain = engine.transform(window_query(limits, derive_ids=False))
        self._deriving = engine.transform(window_query(limits, derive_ids=True))
        self._number = 0

    def count(self, arrival: Arrival) -> int | None:
        """How many records a body has; ``None`` if it is none for a window."""
        return count_records(arrival.body, self._limits.records)

    def __call__(self, arrivals: Sequence[Arrival], counts: Sequence[int]) -> list[Part | None]:
        """Each body's part; ``None`` for those that are to be decoded by themselves.

        ``counts`` are what ``count`` has said of each.

        :raises StoreUnavailable: there is no engine.
        """
        found: list[Part | None] = [None] * len(arrivals)
        chosen = list(range(len(arrivals)))
        transform = self._plain
        while chosen:
            these, their_counts = [arrivals[at] for at in chosen], [counts[at] for at in chosen]
            try:
                block, flaws = self._transformed(transform, these, their_counts)
            except StoreRefused as error:
                sound = [at for at in chosen if is_sound(arrivals[at].body)]
                if len(sound) == len(chosen):
                    _LOG.warning("%s bodies are decoded one by one: %s", len(chosen), error)
                    break
                chosen = sound
                continue
            if not any(flaws):
                window = Window(block, min(each.received_at for each in these))
                for at in chosen:
                    found[at] = Part(window, counts[at])
                break
            if WITHOUT_ID in flaws:
                transform = self._deriving
            chosen = [at for at, flaw in zip(chosen, flaws, strict=True) if flaw != ODD]
        return found

    def abort(self) -> None:
        """End a call that takes too long, from another thread."""
        self._plain.abort()
        self._deriving.abort()

    def _transformed(
        self, transform: Transform, arrivals: Sequence[Arrival], counts: Sequence[int]
    ) -> tuple[Block, list[int]]:
        """The block of all, and the worst flaw of each body."""
        first = self._number
        self._number += len(arrivals)
        data = transform(
            _message(arrivals, first), lambda: not all(is_sound(each.body) for each in arrivals)
        )
        # Numbers are never used again: what comes out is of these bodies, whole and in order
        expected = array("Q")
        for number, count in enumerate(counts, first):
            expected.extend([number] * count)
        try:
            block, tail = block_with_tail(data, TAIL)
            if tail["number"] != expected:
                raise ValueError("other records than were sent")
        except ValueError as error:
            transform.abort()
            raise StoreRefused(
                f"the engine's answer is not the one to this question: {error}"
            ) from error
        flaws = tail["flaw"].tobytes()
        if not any(flaws):
            return block, [0] * len(counts)
        worst: list[int] = []
        at = 0
        for count in counts:
            these = flaws[at : at + count]
            worst.append(ODD if ODD in these else max(these))
            at += count
        return block, worst


def _message(arrivals: Sequence[Arrival], first: int) -> list[bytes]:
    """The ``Window`` of ``sql/otlp_logs.proto``, after its length."""
    parts: list[bytes] = []
    size = 0
    for number, arrival in enumerate(arrivals, first):
        tenant = arrival.tenant.encode()
        head = b"".join(
            (
                b"\x0a",
                varint(len(tenant)),
                tenant,
                b"\x10",
                varint(arrival.received_at),
                b"\x18",
                varint(number),
                b"\x22",
                varint(len(arrival.body)),
            )
        )
        head = b"\x0a" + varint(len(head) + len(arrival.body)) + head
        parts += (head, arrival.body)
        size += len(head) + len(arrival.body)
    return [varint(size), *parts]

"""From a body to what is stored of it: blocks of events, and what is refused."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Final
from weakref import WeakKeyDictionary

from collector.check import Checker
from collector.gathering import Gatherer
from collector.limits import Limits
from collector.mapping import Lacking, Mapped, Mapper, map_logs
from collector.native import decode_native
from collector.otlp import decode_protobuf
from collector.otlp_json import decode_json
from collector.otlp_traces import json_spans, map_spans, protobuf_spans
from collector.records import Door, Refusal
from collector.typed import ordinary_block
from collector.window import Arrival, Engine, Window, WindowDecoder
from lifecycle.events import Event
from lifecycle.mapping import Signal
from store.blocks import Block, block_of


class Form(Enum):
    """How a body is written."""

    LOGS_PROTOBUF = "logs-protobuf"
    LOGS_JSON = "logs-json"
    TRACES_PROTOBUF = "traces-protobuf"
    TRACES_JSON = "traces-json"
    NATIVE_LINES = "native-lines"
    NATIVE_JSON = "native-json"

    @property
    def door(self) -> Door:
        """In whose words its fields are named."""
        return Door.NATIVE if self in (Form.NATIVE_LINES, Form.NATIVE_JSON) else Door.OTLP

    @property
    def spans(self) -> bool:
        """Whether it has spans instead of events."""
        return self.signal is Signal.SPAN

    @property
    def signal(self) -> Signal:
        """What it has; native events are logs of ours."""
        traces = self in (Form.TRACES_PROTOBUF, Form.TRACES_JSON)
        return Signal.SPAN if traces else Signal.LOG


@dataclass(frozen=True, slots=True)
class Decoded:
    """What is in a body; ``accepted`` are its events.

    They are in ``blocks``, or together with those of other bodies in ``window``, which is to be
    kept once for all of them: see ``Keeper``.
    """

    blocks: Sequence[Block]
    accepted: int
    refused: Sequence[Refusal]
    window: Window | None = None
    lacking: Sequence[Lacking] = ()  # events that mappings could not make
    ignored: int = 0  # records that are nobody's here
    warning: str = ""  # for a sender who is not refused anything


class Keeper:
    """Has each window kept once, by whoever comes first; all of its bodies wait for that."""

    def __init__(self, keep: Callable[[Window], Awaitable[None]]) -> None:
        self._keep = keep
        self._tasks: WeakKeyDictionary[Window, asyncio.Task[None]] = WeakKeyDictionary()

    async def kept(self, window: Window) -> None:
        """Return once it is kept, or raise why not. Who is cancelled leaves the others be."""
        task = self._tasks.get(window)
        if task is None:
            task = asyncio.ensure_future(self._kept(window))
            task.add_done_callback(_heard)
            self._tasks[window] = task
        await asyncio.shield(task)

    async def _kept(self, window: Window) -> None:
        await self._keep(window)


def _heard(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        task.exception()  # everyone who waited may have left


_UNMAPPED_SPANS: Final = (
    "no mapping of spans is in force here, so spans are ignored: name one in"
    " DONEWATCH_COLLECTOR__MAPPINGS, or put one into DONEWATCH_MAPPINGS_DIR"
)


class Decoder:
    """Decodes and checks bodies, with an embedded engine if there is one."""

    def __init__(
        self,
        limits: Limits,
        engine: Engine | None = None,
        mapper: Callable[[], Mapper] = Mapper,
    ) -> None:
        """``mapper`` gives the mappings in force; asked for each body."""
        self._limits = limits
        self._mapper = mapper
        self._gatherer = None if engine is None else Gatherer(WindowDecoder(engine, limits), limits)
        # One thread: a hostile body can take seventy times its size while it is decoded, and two
        # at once would not be faster under one interpreter lock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="donewatch-decode")

    def close(self) -> None:
        """End; bodies being decoded are not waited for."""
        self._thread.shutdown(wait=False)
        if self._gatherer is not None:
            self._gatherer.close()

    async def decode(self, body: bytes, *, form: Form, tenant: str, received_at: int) -> Decoded:
        """What is in the body. ``received_at`` in microseconds.

        :raises BodyError: it cannot be read. :raises BodyTooLarge: it is over a limit.
        """
        if self._gatherer is not None and form is Form.LOGS_PROTOBUF:
            part = await self._gatherer.part(Arrival(body, tenant, received_at))
            if part is not None:
                return Decoded((), part.records, (), part.window)
        if len(body) <= self._limits.threaded:
            return self._decoded(body, form, tenant, received_at)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._thread, self._decoded, body, form, tenant, received_at
        )

    def _decoded(self, body: bytes, form: Form, tenant: str, received_at: int) -> Decoded:
        if form.door is Door.NATIVE:
            block = ordinary_block(body, self._limits, tenant=tenant, received_at=received_at)
            if block is not None:
                return Decoded([block], block.rows, ())
        check = Checker(tenant=tenant, collector="", received_at=received_at, limits=self._limits)
        events: list[Event] = []
        refused: list[Refusal] = []
        mapper = self._mapper()
        mapped = self._mapped(body, form, mapper)
        for record in mapped.records:
            result = check(record)
            if isinstance(result, Event):
                events.append(result)
            else:
                refused.append(result)
        return Decoded(
            [block_of(events)] if events else [],
            len(events),
            refused,
            lacking=mapped.lacking,
            ignored=mapped.ignored,
            warning=_warning(form, mapper, mapped),
        )

    def _mapped(self, body: bytes, form: Form, mapper: Mapper) -> Mapped:
        """The records of the body, of spans and foreign logs those of the events they become."""
        limits = self._limits
        match form:
            case Form.TRACES_PROTOBUF:
                return map_spans(protobuf_spans(body, limits), limits, mapper)
            case Form.TRACES_JSON:
                return map_spans(json_spans(body, limits), limits, mapper)
            case Form.LOGS_PROTOBUF:
                return map_logs(decode_protobuf(body, limits), mapper)
            case Form.LOGS_JSON:
                return map_logs(decode_json(body, limits), mapper)
            case Form.NATIVE_LINES | Form.NATIVE_JSON:
                lines = form is Form.NATIVE_LINES
                return Mapped(records=decode_native(body, limits, lines=lines))


def _warning(form: Form, mapper: Mapper, mapped: Mapped) -> str:
    if form.spans and mapped.total and not mapper.maps(Signal.SPAN):
        return _UNMAPPED_SPANS
    return ""

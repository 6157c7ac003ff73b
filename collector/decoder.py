"""From a body to what is stored of it: blocks of events, and what is refused."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Final

from collector.check import Checker
from collector.limits import Limits
from collector.native import decode_native
from collector.otlp import decode_protobuf
from collector.otlp_json import decode_json
from collector.records import Door, Record, Refusal
from lifecycle.events import Event
from store.blocks import Block, block_of


class Form(Enum):
    """How a body is written."""

    LOGS_PROTOBUF = "logs-protobuf"
    LOGS_JSON = "logs-json"
    NATIVE_LINES = "native-lines"
    NATIVE_JSON = "native-json"

    @property
    def door(self) -> Door:
        """In whose words its fields are named."""
        return Door.NATIVE if self in (Form.NATIVE_LINES, Form.NATIVE_JSON) else Door.OTLP


@dataclass(frozen=True, slots=True)
class Decoded:
    """What is in a body; ``accepted`` are the rows of all blocks."""

    blocks: Sequence[Block]
    accepted: int
    refused: Sequence[Refusal]


_READERS: Final[dict[Form, Callable[[bytes, Limits], list[Record]]]] = {
    Form.LOGS_PROTOBUF: decode_protobuf,
    Form.LOGS_JSON: decode_json,
    Form.NATIVE_LINES: lambda body, limits: decode_native(body, limits, lines=True),
    Form.NATIVE_JSON: lambda body, limits: decode_native(body, limits, lines=False),
}


class Decoder:
    """Decodes and checks bodies."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # One thread: a hostile body can take seventy times its size while it is decoded, and two
        # at once would not be faster under one interpreter lock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="donewatch-decode")

    def close(self) -> None:
        """End; bodies being decoded are not waited for."""
        self._thread.shutdown(wait=False)

    async def decode(self, body: bytes, *, form: Form, tenant: str, received_at: int) -> Decoded:
        """What is in the body. ``received_at`` in microseconds.

        :raises BodyError: it cannot be read. :raises BodyTooLarge: it is over a limit.
        """
        if len(body) <= self._limits.threaded:
            return self._decoded(body, form, tenant, received_at)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._thread, self._decoded, body, form, tenant, received_at
        )

    def _decoded(self, body: bytes, form: Form, tenant: str, received_at: int) -> Decoded:
        check = Checker(tenant=tenant, collector="", received_at=received_at, limits=self._limits)
        events: list[Event] = []
        refused: list[Refusal] = []
        for record in _READERS[form](body, self._limits):
            result = check(record)
            if isinstance(result, Event):
                events.append(result)
            else:
                refused.append(result)
        return Decoded([block_of(events)] if events else [], len(events), refused)

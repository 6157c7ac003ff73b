"""Events as they come in, one server-sent event each."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.cursor import decode, encode
from api.listeners import Listeners
from api.paths import API, instance_path
from api.period import moment
from api.ports import Ports
from api.problems import Problem, bad_parameter
from api.reader import Environments, From, Given, Read, Reader, ports_of
from api.settings import ApiSettings
from api.shape import Moment, Shape, rfc3339
from api.timeline import entry
from lifecycle.errors import StoreError
from lifecycle.events import EventKind

router = APIRouter(prefix=API, tags=["events"])

MEDIA_TYPE: Final = "text/event-stream"
PAGE: Final = 500  # events of one look; a full one is followed by the next at once
REMEMBERED: Final = 10_000  # event ids of one stream, to leave copies out
RETRY: Final = 2000  # milliseconds after which a browser that lost the stream comes back
_SCOPE: Final = "events/stream"
_PLACE: Final = ("collector", "segment", "position")  # ours, not the producer's


class StreamedEvent(Shape):
    """One event: told as in an instance's timeline, and ``fields`` as it was sent."""

    at: Moment
    received_at: Moment
    workflow: str
    environment: str
    instance_id: str
    kind: str
    title: str
    detail: str
    tone: str
    service: str
    actor: str
    trace_id: str
    trace_url: str
    page: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Position:
    """Between two rows: everything before it in the order of arrival has been sent."""

    at: datetime
    collector: str = ""
    segment: int = 0
    place: int = 0

    @property
    def cursor(self) -> str:
        """What ``Last-Event-ID`` brings back."""
        return encode(
            [rfc3339(self.at), self.collector, str(self.segment), str(self.place)], _SCOPE
        )

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Position":
        """Right after a row."""
        return cls(row["received_at"], row["collector"], row["segment"], row["position"])

    @classmethod
    def parse(cls, cursor: str) -> "Position":
        """Read what ``cursor`` wrote.

        :raises Problem: it is none of ours.
        """
        try:
            at, collector, segment, place = decode(cursor, _SCOPE)
            return cls(moment("Last-Event-ID", at), collector, int(segment), int(place))
        except (ValueError, Problem):
            fix = "send the id of an event of this stream, or none"
            raise bad_parameter("Last-Event-ID", f"{cursor[:80]!r} is no id", fix) from None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events; empty means any."""

    workflow: str
    instance_id: str
    kinds: Sequence[str]
    environments: Sequence[str]


class EventStream(StreamingResponse):
    """Ends its generator with the request, however that ends: a listener's place is freed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.body_iterator.aclose()  # type: ignore[attr-defined]


@router.get(
    "/events/stream",
    response_class=EventStream,
    responses={
        200: {
            "description": "Server-sent events; the data of each is one event",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
        503: {"description": "Too many listen already"},
    },
)
async def read_events(
    request: Request,
    read: Read,
    settings: Given,
    workflow: Annotated[str, Query(description="Only of this workflow type")] = "",
    instance: Annotated[str, Query(description="Only of the instance with this id")] = "",
    kind: Annotated[
        list[str], Query(description=f"Only these: {', '.join(EventKind)}; repeat for several")
    ] = [],  # noqa: B006
    environment: Environments = [],  # noqa: B006
    from_: From = "",
    last_event_id: Annotated[
        str, Header(max_length=4000, description="Go on after this one; wins over from")
    ] = "",
) -> EventStream:
    """Every event stored from now on, or from ``from`` on, each once, in the order of arrival."""
    if unknown := [each for each in kind if each not in list(EventKind)]:
        fix = f"give some of {', '.join(EventKind)}"
        raise bad_parameter("kind", f"{unknown[0]!r} is no kind of event", fix)
    if last_event_id:
        position = Position.parse(last_event_id)
    elif from_:
        position = Position(moment("from", from_))
    else:
        position = Position(_complete_to(read, settings))
    wanted = Wanted(workflow, instance, kind, environment)
    listeners: Listeners = request.app.state.listeners
    place = listeners.enter()
    found = _stream(ports_of(request), settings, read, wanted, position, listeners, place)
    return EventStream(
        found,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def end_streams(app: FastAPI) -> None:
    """End every open stream and long poll: before a server that waits for them shuts down."""
    listeners: Listeners = app.state.listeners
    listeners.close()


async def _stream(
    ports: Ports,
    settings: ApiSettings,
    read: Reader,
    wanted: Wanted,
    position: Position,
    listeners: Listeners,
    place: object,
) -> AsyncIterator[str]:
    clock = asyncio.get_running_loop().time
    seen: OrderedDict[tuple[str, ...], None] = OrderedDict()
    away = False
    try:
        yield f"retry: {RETRY}\n{_alive(position)}"
        spoke = clock()
        while not listeners.closing:
            text, more = "", False
            try:
                rows, position, more, read = await run_in_threadpool(
                    _look, ports, settings, read, wanted, position
                )
                text = "".join(_told(read, row) for row in rows if _is_new(row, seen))
                away = False
            except StoreError as error:
                text = "" if away else _trouble(error)
                away = True
            if not text and clock() - spoke >= settings.stream_heartbeat:
                # with the position: whoever comes back after a quiet hour has missed nothing
                text = _alive(position)
            if text:
                yield text
                spoke = clock()
            if not more:
                await listeners.pause(settings.stream_poll)
    finally:
        listeners.leave(place)


def _look(
    ports: Ports, settings: ApiSettings, read: Reader, wanted: Wanted, position: Position
) -> tuple[Sequence[Mapping[str, Any]], Position, bool, Reader]:
    """What came after ``position``, the position after that, and whether there is more."""
    read = replace(
        read, definitions=ports.definitions(), watermark=ports.watermark(), now=ports.clock()
    )
    end = _complete_to(read, settings)
    if end <= position.at:
        return [], position, False, read
    rows = read.query(
        "recent_events",
        from_=position.at,
        after_collector=position.collector,
        after_segment=position.segment,
        after_position=position.place,
        to=end,
        workflow_type=wanted.workflow,
        instance_id=wanted.instance_id,
        kinds=list(wanted.kinds),
        environments=list(wanted.environments),
        limit=PAGE,
    )
    more = len(rows) == PAGE
    return rows, Position.of(rows[-1]) if more else Position(end), more, read


def _complete_to(read: Reader, settings: ApiSettings) -> datetime:
    """Up to where nothing that was received can still be stored.

    Inserts do not become visible in the order of receipt, so what lies beyond the watermark waits:
    else an event stored a moment later, but received before one already sent, would be missed.
    A watermark that stands (a collector died) is not waited for without end.
    """
    patience = read.now - timedelta(seconds=settings.stream_patience)
    return max(patience, read.watermark.flushed or patience)


def _is_new(row: Mapping[str, Any], seen: OrderedDict[tuple[str, ...], None]) -> bool:
    key = (row["workflow_type"], row["environment"], row["instance_id"], row["event_id"])
    if key in seen:
        return False
    seen[key] = None
    if len(seen) > REMEMBERED:
        seen.popitem(last=False)
    return True


def _told(read: Reader, row: Mapping[str, Any]) -> str:
    workflow, instance_id = row["workflow_type"], row["instance_id"]
    definition = read.judging(workflow, row["workflow_version"])
    undeclared = (
        row["event"] == EventKind.TRANSITION
        and row["outcome"] in ("", "committed")
        and definition is not None
        and row["workflow_version"] in ("", definition.version)  # another version is not judged
        and not definition.declares(row["from_state"], row["to_state"], row["action"])
    )
    sent = {name: value for name, value in row.items() if name not in _PLACE}
    told = entry(sent, definition, None, undeclared=undeclared)
    page = instance_path(workflow, instance_id, row["environment"]) if instance_id else ""
    event = StreamedEvent(
        received_at=row["received_at"],
        workflow=workflow,
        environment=row["environment"],
        instance_id=instance_id,
        page=page,
        **{name: getattr(told, name) for name in type(told).model_fields if name != "gap"},
    )
    return f"id: {Position.of(row).cursor}\ndata: {event.model_dump_json()}\n\n"


def _alive(position: Position) -> str:
    """A comment; the id without data moves ``Last-Event-ID`` and is no event."""
    return f": the stream is alive\nid: {position.cursor}\n\n"


def _trouble(error: StoreError) -> str:
    fix = "nothing is lost: the stream goes on from here once the store answers"
    problem = Problem(
        503, "store-unavailable", "The store does not answer", str(error), fix
    ).document(f"{API}/events/stream")
    return f"event: problem\ndata: {json.dumps(problem)}\n\n"

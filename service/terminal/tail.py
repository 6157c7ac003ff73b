"""``donewatch tail``: every event as it is stored, one line each."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from service.terminal.client import Client, NotFound, check_type
from service.terminal.printer import STYLES, Cell, Printer, clock
from service.terminal.stream import follow


def tail(
    client: Client,
    printer: Printer,
    *,
    workflow: str,
    instance_id: str,
    kinds: list[str],
    environments: list[str],
    since: str,
    count: int | None,
    as_json: bool,
) -> int:
    """Print events until interrupted, or ``count`` of them; ``since`` is RFC 3339 or empty.

    :raises CouldNotRun: the service does not answer at first, or refuses.
    """
    if workflow:
        try:
            check_type(client, workflow)
        except NotFound as error:
            # a slip, or a type that sends its first event in a moment
            printer.note(f"so far, {error}")
    asked = {
        "workflow": workflow,
        "instance": instance_id,
        "kind": kinds,
        "environment": environments,
        "from": since,
    }
    try:
        for event in islice(follow(client, asked, printer.note), count):
            if as_json:
                printer.json(event)
            else:
                printer.line(*_cells(event))
    except KeyboardInterrupt:
        pass  # the way to end it
    return 0


def _cells(event: Mapping[str, Any]) -> list[str | Cell]:
    who = event["instance_id"]
    style = STYLES.get(event["tone"], "")
    heartbeat = event["kind"] == "heartbeat"
    return [
        Cell(clock(event["at"]), "dim"),
        Cell(event["workflow"], "cyan"),
        Cell(who, "bold"),
        Cell(event["title"], "dim" if heartbeat else style),
        Cell(_heartbeat(event["fields"]) if heartbeat else event["detail"], "dim"),
        Cell(f"[{event['service']}]" if event["service"] else "", "dim"),
    ]


def _heartbeat(fields: Mapping[str, Any]) -> str:
    dropped = fields.get("dropped")
    return f"{dropped} events dropped" if dropped else ""

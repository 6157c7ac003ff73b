"""Events to import, and what is left of an import."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import Result

Run = Callable[..., Result]


def line(number: object, **given: Any) -> str:
    event = {
        "event": "transition",
        "workflow_type": "order",
        "instance_id": f"o-{number}",
        "to": "a",
        "occurred_at": "2026-03-01T12:00:00Z",
    }
    return json.dumps(event | given) + "\n"


def lines(count: int, bad: int = 0) -> str:
    """Events, every ``bad``-th of them none."""
    return "".join(
        line(number, **({"to": ""} if bad and number % bad == 0 else {})) for number in range(count)
    )


def left(tmp_path: Path) -> set[str]:
    """The files that an import has left, beside those given."""
    return {path.name for path in tmp_path.iterdir() if path.name.count(".") > 1}

"""How pages are drawn: Jinja2 templates, and how a person reads numbers, durations and times."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from api import drawing, paths
from api.credentials import COOKIE
from api.period import seconds
from api.reader import Reader, settings_of
from api.shape import rfc3339
from lifecycle.definitions import Status
from lifecycle.durations import format_duration

NONE = "–"
WINDOWS = ("15m", "1h", "6h", "24h", "7d")


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Draw one page."""
    settings = settings_of(request)
    values = {
        "settings": settings,
        "path": request.url.path,
        "now": request.app.state.ports.clock(),
        "signed_in": COOKIE in request.cookies,
        "tokens": not request.app.state.ports.access.open,
        "read": None,
        "lost": False,
        "origin": settings.external_url or str(request.base_url).rstrip("/"),
        "here": _here(request),
        **values,
    }
    text = _TEMPLATES.get_template(template).render(values)
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


def page(request: Request, read: Reader, template: str, **values: Any) -> HTMLResponse:
    """Draw one page for somebody who may read."""
    firing = sum(alert.state == "firing" for alert in read.alerts.alerts())
    lag = None
    if read.watermark.flushed is not None:
        lag = (read.now - read.watermark.flushed).total_seconds()
    return render(request, template, read=read, firing=firing, lag=lag, now=read.now, **values)


def _here(request: Request) -> str:
    """The address asked for, as a path on this host."""
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")


def duration(seconds: float | None) -> str:
    """``41 min``; a dash where there is none."""
    return NONE if seconds is None else format_duration(seconds)


def reached(value: float | None, oldest: float | None) -> str:
    """A percentile, or what it is beyond where it was not reached."""
    if value is None and oldest is not None:
        return f"> {format_duration(oldest)}"
    return duration(value)


def count(number: float | None) -> str:
    """``12 400``, with thin spaces between thousands."""
    if number is None:
        return NONE
    if isinstance(number, float) and not number.is_integer():
        return f"{number:,.3g}".replace(",", "\u202f")
    return f"{int(number):,}".replace(",", "\u202f")


def size(number: float) -> str:
    """``9.2 kB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def percent(share: float | None) -> str:
    """``0.4 %``; never rounds something to nothing."""
    if share is None:
        return NONE
    if share == 0 or share == 1:
        return f"{share * 100:.0f} %"
    value = share * 100
    if value < 0.01:
        return "< 0.01 %"
    if value > 99.95:
        return "> 99.9 %"
    return (f"{value:.2f}" if value < 1 else f"{value:.1f}").rstrip("0").rstrip(".") + " %"


def valued(value: float | None, unit: str) -> str:
    """The value of a rule, in its unit."""
    read_as = {"seconds": duration, "share": percent}.get(unit, count)
    return read_as(value)


def iso(at: datetime) -> str:
    """For the ``datetime`` attribute."""
    return rfc3339(at)


def full(at: datetime) -> str:
    """``2026-03-01 12:00:00 UTC``, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@pass_context
def clock(context: Context, at: datetime) -> str:
    """As short as the present allows: the day only when it is another one."""
    there, now = at.astimezone(UTC), context["now"]
    if there.date() == now.date():
        return there.strftime("%H:%M:%S")
    form = "%-d %b %H:%M" if abs(now - there) < timedelta(days=300) else "%-d %b %Y %H:%M"
    return there.strftime(form)


@pass_context
def ago(context: Context, at: datetime) -> str:
    """``3 min ago``."""
    passed = (context["now"] - at).total_seconds()
    return f"in {format_duration(-passed)}" if passed < 0 else f"{format_duration(passed)} ago"


def span(window: str) -> str:
    """``15m`` as ``15 min``."""
    return format_duration(seconds("window", window))


def by_status(numbers: Mapping[str, int]) -> list[tuple[str, int]]:
    """In the order in which an operation lives through its statuses; what has none comes last."""
    order = [status.value for status in Status]
    return sorted(
        numbers.items(),
        key=lambda each: (each[0] not in order, order.index(each[0]) if each[0] in order else 0),
    )


def pretty(value: Any) -> str:
    """JSON as text; the template escapes it like any other."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("api", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    for each in (
        duration,
        reached,
        count,
        size,
        percent,
        iso,
        full,
        clock,
        ago,
        pretty,
        valued,
        span,
    ):
        found.filters[each.__name__] = each
    found.globals |= {
        "shares": drawing.shares,
        "part": drawing.part,
        "by_status": by_status,
        "windows": WINDOWS,
        "workflow_path": paths.workflow_path,
        "members_path": paths.members_path,
        "instance_path": paths.instance_path,
        "instances_path": paths.instances_path,
        "alert_path": paths.alert_path,
        "api_path": paths.api_path,
        "safe_link": paths.safe_link,
    }
    return found


_TEMPLATES = _environment()

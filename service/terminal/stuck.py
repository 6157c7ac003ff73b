"""``donewatch stuck``: which operations are stuck, in which leg, since when."""

from datetime import datetime
from typing import Any, Final

from service.terminal.client import API, Client, check_type
from service.terminal.printer import Cell, Printer, many, span, when

MOST: Final = 1000  # of one request
_COLUMNS: Final = (
    "workflow", "instance", "environment", "state", "since", "for", "limit", "held by", "page",
)  # fmt: skip


def stuck(
    client: Client,
    printer: Printer,
    *,
    workflow: str,
    environments: list[str],
    older_than: float | None,
    limit: int,
    as_json: bool,
) -> int:
    """Print what is stuck, the longest in its state first; exit code 1 if there is any.

    ``older_than`` (seconds): instead, what is open and longer in its state than that. ``limit``: at
    most so many, 1000 at most.

    :raises CouldNotRun: the service does not answer, or there is no such workflow.
    """
    asked: dict[str, Any] = {"workflow": workflow, "environment": environments}
    if older_than is None:
        asked["stuck"] = "true"
    else:
        asked |= {"open": "true", "older_than": str(older_than)}
    page = client.get(f"{API}/instances", limit=limit, legs="true", **asked)
    shown = [_told(client.url, item) for item in _operations(page)]
    total = len(shown)
    if page["next_cursor"]:
        total = len(_operations(client.get(f"{API}/instances", limit=MOST, **asked)))
    if workflow and not total:
        check_type(client, workflow)
    if as_json:
        printer.json({"items": shown, "total": total})
    else:
        _print(printer, shown, total)
    return 1 if shown else 0


def _operations(page: dict[str, Any]) -> list[dict[str, Any]]:
    """Without probes: rules of their own watch them."""
    return [item for item in page["items"] if not item["probe"]]


def _told(url: str, item: dict[str, Any]) -> dict[str, Any]:
    since, age = item["entered_at"], item["age"]
    if item["stuck_cause"] == "run":
        since = item["run_started_at"]
        age += _seconds(since, item["entered_at"])
    leg = item["leg"] or {}
    return {
        "workflow": item["workflow"],
        "environment": item["environment"],
        "instance_id": item["instance_id"],
        "state": item["state"],
        "since": since,
        "age_seconds": age,
        "limit_seconds": item["limit_seconds"],
        "leg": leg.get("leg"),
        "sentence": leg.get("sentence"),
        "url": url + item["page"],
    }


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _print(printer: Printer, shown: list[dict[str, Any]], total: int) -> None:
    if not shown:
        printer.line(Cell("nothing is stuck", "green"))
        return
    if printer.pretty:
        for each in shown:
            _block(printer, each)
    else:
        printer.table(_COLUMNS, [_row(each) for each in shown])
    oldest = span(max(each["age_seconds"] for each in shown))
    more = f", {len(shown)} of them shown" if total > len(shown) else ""
    at_least = "at least " if total >= MOST else ""
    printer.note(f"{at_least}{many(total, 'instance')} stuck{more}; the oldest for {oldest}")


def _block(printer: Printer, each: dict[str, Any]) -> None:
    """Several lines: a row would be wider than a terminal."""
    printer.line(
        Cell(each["workflow"], "cyan"),
        Cell(each["instance_id"], "bold"),
        Cell(each["environment"], "dim"),
        each["state"],
        Cell(span(each["age_seconds"]), "bold red"),
        f"(limit {span(each['limit_seconds'])}, since {when(each['since'])})",
    )
    printer.line(each["sentence"] or "", indent=4)
    printer.line(Cell(each["url"], "dim"), indent=4)


def _row(each: dict[str, Any]) -> list[str]:
    return [
        each["workflow"],
        each["instance_id"],
        each["environment"],
        each["state"],
        when(each["since"]),
        span(each["age_seconds"]),
        span(each["limit_seconds"]),
        each["sentence"] or "",
        each["url"],
    ]

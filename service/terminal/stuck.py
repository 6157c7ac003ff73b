"""``donewatch stuck``: which operations are stuck, in which leg, since when."""

from typing import Any, Final
from urllib.parse import quote

from service.terminal.client import API, Client, NotFound
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
    """Print what is stuck, the oldest first, ``limit`` at most; exit code 1 if there is any.

    ``older_than`` (seconds) stands in for the limits of the definitions.

    :raises CouldNotRun: the service does not answer, or there is no such workflow.
    """
    found: list[dict[str, Any]] = []
    every = older_than is not None
    for each in [workflow] if workflow else _workflows(client, environments, every=every):
        found += client.get(
            f"{API}/workflows/{quote(each, safe='')}/members",
            figure="stuck",
            longer_than=None if older_than is None else str(older_than),
            environment=environments,
            limit=MOST,
        )["items"]
    found.sort(key=lambda item: -item["age"])
    total, shown = len(found), [_told(client, item) for item in found[:limit]]
    if as_json:
        printer.json({"items": shown, "total": total})
    else:
        _print(printer, shown, total)
    return 1 if total else 0


def _workflows(client: Client, environments: list[str], *, every: bool) -> list[str]:
    """Types that have something stuck, or ``every`` one."""
    names: list[str] = []
    cursor = ""
    while True:
        page = client.get(
            f"{API}/workflows",
            window="1m",  # the overview counts what it lists: a short window keeps that cheap
            environment=environments,
            limit=MOST,
            cursor=cursor,
        )
        names += [item["workflow"] for item in page["items"] if every or item["stuck"]]
        if not (cursor := page["next_cursor"] or ""):
            return names


def _told(client: Client, item: dict[str, Any]) -> dict[str, Any]:
    try:
        detail = client.get(API + item["page"])
    except NotFound:  # erased or expired since the list was made
        detail = {}
    leg = detail.get("leg") or {}
    return {
        "workflow": item["workflow"],
        "environment": item["environment"],
        "instance_id": item["instance_id"],
        "state": item["state"],
        "since": item["since"],
        "age_seconds": item["age"],
        "limit_seconds": item["limit_seconds"],
        "leg": leg.get("leg"),
        "sentence": leg.get("sentence"),
        "url": client.url + item["page"],
    }


def _print(printer: Printer, shown: list[dict[str, Any]], total: int) -> None:
    if not total:
        printer.line(Cell("nothing is stuck", "green"))
        return
    if printer.pretty:
        for each in shown:
            _block(printer, each)
    else:
        printer.table(_COLUMNS, [_row(each) for each in shown])
    oldest = span(shown[0]["age_seconds"]) if shown else ""
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

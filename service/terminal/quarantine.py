"""``donewatch quarantine``: records that the store refused, and another attempt at them."""

from pathlib import Path

from collector.spool.quarantine import Quarantine, Quarantined
from service.terminal.printer import Cell, Printer, many, when
from store.connection import from_microseconds


def list_quarantine(folder: Path, printer: Printer, *, as_json: bool) -> int:
    """Print each record with the store's reason; 1 if there is any."""
    found = [each for _, each in Quarantine(folder).entries()]
    if as_json:
        printer.json({"items": [_item(each) for each in found], "total": len(found)})
        return int(bool(found))
    for each in found:
        printer.line(
            Cell(when(_time(each)), "dim"),
            Cell(f"segment {each.segment} row {each.position}", "dim"),
            Cell(_name(each), "bold"),
            Cell(each.reason, "red"),
        )
    printer.note(
        f"{many(len(found), 'record')} in {folder}" if found else f"nothing is in {folder}"
    )
    return int(bool(found))


def retry_quarantine(folder: Path, printer: Printer) -> int:
    """Ask the collector of the data directory to put every record into its spool again."""
    if not folder.is_dir():
        printer.note(f"nothing is in {folder}: no collector has worked there")
        return 0
    count = Quarantine(folder).ask()
    printer.note(f"{many(count, 'record')} to be sent again: now, or when the collector starts")
    return 0


def _time(found: Quarantined) -> str:
    return from_microseconds(found.refused_at).isoformat()


def _name(found: Quarantined) -> str:
    if found.kind == "rejection":
        return f"refused record of field {found.record.get('field')}"
    parts = (found.record.get(name, "") for name in ("workflow_type", "instance_id", "event_id"))
    return " ".join(str(part) for part in parts if part)


def _item(found: Quarantined) -> dict[str, object]:
    return {
        "kind": found.kind,
        "segment": found.segment,
        "position": found.position,
        "refused_at": _time(found),
        "reason": found.reason,
        "record": found.record,
    }

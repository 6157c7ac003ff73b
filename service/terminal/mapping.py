"""``donewatch map``: what a captured body would become, without sending it anywhere."""

import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from collector.limits import Limits
from collector.mapping import Mapper
from collector.mapping.preview import Became, preview
from collector.mapping.shipped import SHIPPED
from collector.records import BodyError
from lifecycle.document import did_you_mean
from lifecycle.errors import SettingsError
from lifecycle.events import FIELDS, Event, FieldType
from lifecycle.mapping_files import read_mapping
from service.clock import now
from service.mappings import MappingFolder
from service.settings import load_settings
from service.terminal.printer import STYLES, Cell, Printer, many
from store.connection import from_microseconds, to_microseconds

_MOST: Final = 256 << 20  # bytes of a captured body after decompression
_LIMITS: Final = Limits(refusals_kept=1 << 30)  # a guess for each misspelt name
_SHOWN: Final = ("workflow_type", "instance_id")


def map_file(file: str, names: Sequence[str], printer: Printer, *, as_json: bool) -> int:
    """What the records of a file become; 1 if something was refused or lacked something.

    :raises DonewatchError: a mapping or the file cannot be had, or is wrong.
    """
    try:
        mapper = mapper_of(names, printer)
        return show_map(read_body(file), mapper, printer, now(), as_json=as_json)
    except BodyError as error:
        raise SettingsError(f"{file}: {error}") from error


def mapper_of(names: Sequence[str], printer: Printer) -> Mapper:
    """Those that were named, else those that a collector with these settings would have.

    :raises SettingsError: there is no such mapping. :raises DocumentError: a file is wrong.
    """
    if names:
        return Mapper([read_mapping(*_text(name)) for name in names])
    settings = load_settings()
    folder = MappingFolder(settings.mappings_dir, settings.collector.mappings)
    folder.reload()
    for problem in folder.problems:
        printer.note(f"not in force: {problem}")
    if not folder.mappings:
        printer.note(
            f"no mapping is in force: name one with --mapping ({', '.join(SHIPPED)}, or a file),"
            f" or put one into {settings.mappings_dir}"
        )
    return folder.mapper


def _text(name: str) -> tuple[str, str]:
    if name in SHIPPED:
        return SHIPPED[name], f"{name}.yaml"
    try:
        return Path(name).read_text(encoding="utf-8"), name
    except (OSError, UnicodeDecodeError) as error:
        near = did_you_mean(name, SHIPPED)
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(f"--mapping {name}: cannot be read: {why} ({near})") from error


def read_body(file: str) -> bytes:
    """The bytes of a file or of standard input (``-``), decompressed.

    :raises SettingsError: it cannot be read, is empty, or is too large.
    """
    try:
        data = sys.stdin.buffer.read(_MOST) if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error
    if data.startswith(b"\x1f\x8b"):
        data = _inflated(data, file)
    if len(data) >= _MOST:
        raise SettingsError(f"{file} has more than {_MOST >> 20} MiB; give a part of it")
    if not data.strip():
        raise SettingsError(
            f"{file} is empty; give a body as it was sent to /v1/traces or /v1/logs"
        )
    return data


def _inflated(data: bytes, file: str) -> bytes:
    parts = []
    size = 0
    try:
        while data:
            inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
            parts.append(inflater.decompress(data, _MOST - size))
            size += len(parts[-1])
            if size >= _MOST:
                break
            if not inflater.eof:
                raise SettingsError(f"{file} is gzip, and cut short")
            data = inflater.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise SettingsError(f"{file} is not gzip, though it begins so: {error}") from error
    return b"".join(parts)


def show_map(data: bytes, mapper: Mapper, printer: Printer, at: datetime, *, as_json: bool) -> int:
    """Print what becomes of each record; 1 if something was refused or lacked something.

    :raises BodyError: the body cannot be read.
    """
    records = list(preview(data, mapper, _LIMITS, to_microseconds(at)))
    counts = {
        "events": sum(len(each.events) for each in records),
        "unmapped": sum(len(each.unmapped) for each in records),
        "refused": sum(len(each.refused) for each in records),
        "ignored": sum(bool(each.ignored) for each in records),
    }
    if as_json:
        printer.json({"records": len(records), **_document(records)})
    else:
        printer.table(
            ("record", "name", "becomes", "workflow", "instance", "at", "with"),
            [row for each in records for row in _rows(each)],
        )
        what = f"{many(len(records), 'record')}: {many(counts['events'], 'event')}"
        rest = [f"{counts[name]} {name}" for name in ("unmapped", "refused", "ignored")]
        printer.note(", ".join([what, *rest]))
    return 1 if counts["unmapped"] or counts["refused"] else 0


def _document(records: Sequence[Became]) -> dict[str, Any]:
    def named(each: Became) -> dict[str, Any]:
        return {"record": each.index, "kind": each.kind, "name": each.name}

    return {
        "events": [
            {**named(each), "mapping": each.mapping, "event": event.event, **fields_of(event)}
            for each in records
            for event in each.events
        ],
        "unmapped": [
            {**named(each), "error": error} for each in records for error in each.unmapped
        ],
        "refused": [{**named(each), "error": error} for each in records for error in each.refused],
        "ignored": [{**named(each), "reasons": each.ignored} for each in records if each.ignored],
    }


def fields_of(event: Event) -> dict[str, Any]:
    """By their native names, those that have a value; times in RFC 3339."""
    found: dict[str, Any] = {"occurred_at": _time(event.occurred_at)}
    for field in FIELDS:
        value = getattr(event, field.column)
        if value not in (None, ""):
            found[field.name] = _time(value) if field.type is FieldType.TIME else value
    for name in ("trace_id", "span_id"):
        if value := getattr(event, name):
            found[name] = value
    if event.attributes != "{}":
        found["attributes"] = json.loads(event.attributes)
    return found


def _time(microseconds: int) -> str:
    return from_microseconds(microseconds).isoformat().replace("+00:00", "Z")


def _rows(each: Became) -> Iterator[list[str | Cell]]:
    begin = [f"{each.kind} {each.index}", each.name]
    for event in each.events:
        fields = fields_of(event)
        yield [
            *begin,
            Cell(event.event, "bold"),
            event.workflow_type,
            event.instance_id,
            fields["occurred_at"],
            _told(fields),
        ]
    for what, reasons, style in (
        ("unmapped", each.unmapped, "bad"),
        ("refused", each.refused, "bad"),
        ("ignored", each.ignored, "muted"),
    ):
        if reasons:
            yield [*begin, Cell(what, STYLES.get(style, "")), "", "", "", "; ".join(reasons)]


def _told(fields: Mapping[str, Any]) -> str:
    hidden = (*_SHOWN, "occurred_at", "event_id", "trace_id", "span_id")
    return " ".join(
        f"{name}={json.dumps(value) if isinstance(value, dict) else value}"
        for name, value in fields.items()
        if name not in hidden
    )

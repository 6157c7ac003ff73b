"""``donewatch import``: sends files of events, and sets aside what is none."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from lifecycle.document import did_you_mean
from lifecycle.errors import DonewatchError, SettingsError
from service.importing.columns import Wishes
from service.importing.door import CheckDoor, CollectorDoor, Door
from service.importing.formats import Reading, delimiter_of
from service.importing.importer import Importer, Interrupted, Outcome
from service.importing.pipeline import DEPTH, Pause, Pipeline
from service.importing.progress import SUFFIX, Progress, Purpose, how_of
from service.importing.snapshot import Seeding
from service.importing.source import Source
from service.terminal.client import Client, CouldNotRun
from service.terminal.meter import Meter
from service.terminal.printer import Cell, Printer, many

_TOLD: Final = 20  # refused rows of one run that are shown to a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the command line says."""

    files: Sequence[str]
    format: str
    columns: Sequence[str]
    constants: Sequence[str]
    left_out: Sequence[str]
    delimiter: str
    zone: str
    snapshot: bool
    check: bool
    strict: bool
    again: bool
    aside: Path | None
    patience: float  # seconds
    as_json: bool


class Importing:
    """One run of the command. ``clock`` in microseconds."""

    def __init__(
        self, client: Client, printer: Printer, order: Order, clock: Callable[[], int]
    ) -> None:
        self._client = client
        self._printer = printer
        self._order = order
        self._pause = Pause()
        self._check = CheckDoor(clock)
        self._reading = Reading(
            format=order.format,
            delimiter=delimiter_of(order.delimiter),
            wishes=Wishes(
                renamed=[_pair("--column", each, "COLUMN=FIELD") for each in order.columns],
                constants=[_pair("--set", each, "FIELD=VALUE") for each in order.constants],
                left_out=order.left_out,
                zone=zone_of(order.zone),
            ),
            seeding=Seeding(clock()) if order.snapshot else None,
        )
        self._how = how_of(
            order.format, order.columns, order.constants, order.left_out, order.delimiter,
            order.zone, order.snapshot, client.token,
        )  # fmt: skip
        self._told = 0

    def run(self) -> int:
        """Import every file in turn; exit code 1 if a row was set aside.

        :raises DonewatchError: it could not begin or go on; says how far it came.
        """
        jobs = self._jobs()
        door: Door = self._check
        if not self._order.check:
            collector = CollectorDoor(
                self._client, self._check, self._pause, seconds=self._order.patience
            )
            collector.greet()
            door = collector
        # checking is our own work: more threads would not make it faster
        pipeline = Pipeline(door.take, 1 if self._order.check else DEPTH)
        outcomes: list[Outcome] = []
        try:
            for source, progress, aside in jobs:
                outcomes.append(self._one(pipeline, source, progress, aside))
                if outcomes[-1].stopped_at:
                    break
        finally:
            pipeline.close()
        if not any(each.stopped_at for each in outcomes):
            # only now: stopped in the second file, the first is not sent again
            for _, progress, _ in jobs:
                progress.remove()
        return self._end(outcomes)

    def _jobs(self) -> list[tuple[Source, Progress, Path | None]]:
        """Every file, looked at before anything is sent."""
        jobs: list[tuple[Source, Progress, Path | None]] = []
        seen: dict[Path, str] = {}
        for name in self._order.files:
            source = Source(name)
            reader = self._reading.reader(source)
            if source.fingerprint:
                with source.open(alone=False) as opened:
                    reader.begin(opened.stream)
            folder = self._order.aside or (source.path.parent if source.path else Path())
            stem = folder / (source.path.name if source.path else "stdin")
            if seen.get(stem) == source.name:
                raise SettingsError(f"{source.name} is named twice")
            if stem in seen:
                raise SettingsError(
                    f"{seen[stem]} and {source.name} would both be kept as {stem}{SUFFIX};"
                    " import one after the other"
                )
            seen[stem] = source.name
            if self._order.check:
                jobs.append((source, Progress(None, None), None))
                continue
            if not folder.is_dir():
                raise SettingsError(f"--aside: {folder} is no folder; make it first")
            purpose = None
            if source.fingerprint:
                purpose = Purpose(source.fingerprint, self._client.url, self._how)
            progress = Progress(stem.with_name(stem.name + SUFFIX), purpose)
            jobs.append((source, progress, stem.with_name(stem.name + reader.aside_suffix)))
        return jobs

    def _one(
        self, pipeline: Pipeline, source: Source, progress: Progress, aside: Path | None
    ) -> Outcome:
        with Meter(source.name, shown=self._printer.pretty and not self._order.as_json) as meter:
            importer = Importer(
                pipeline,
                self._pause,
                strict=self._check if self._order.strict else None,
                watch=meter.show,
            )
            try:
                outcome = importer.run(
                    source,
                    self._reading.reader(source),
                    progress,
                    aside,
                    self._note,
                    again=self._order.again,
                )
            except Interrupted:
                raise CouldNotRun(f"stopped{self._so_far(importer, source)}") from None
            except DonewatchError as error:
                raise CouldNotRun(f"{error}{self._so_far(importer, source)}") from error
        self._tell(outcome)
        return outcome

    def _note(self, text: str) -> None:
        if not self._order.as_json:
            self._printer.note(text)

    def _so_far(self, importer: Importer, source: Source) -> str:
        """How far a file came, and what to do."""
        state = importer.outcome.state if importer.outcome else None
        if state is None or self._order.check:
            return ""
        how = (
            "run the same command to go on from there"
            if source.fingerprint
            else "sent again, they count once"
        )
        return (
            f"; of {source.name}, {many(state.place.line, 'line')} are done"
            f" ({state.accepted} accepted, {state.rejected} rejected): {how}"
        )

    def _tell(self, outcome: Outcome) -> None:
        """One line for each refused row, some at least, and one for the file."""
        if self._order.as_json:
            return
        shown = outcome.refused[: max(0, _TOLD - self._told)]
        self._told += len(shown)
        for row in shown:
            place = f"{outcome.name}:{row.line}:"
            self._printer.line(Cell("rejected", "bold red"), f"{place} {row.error}")
        if self._told == _TOLD and len(shown) < len(outcome.refused):
            self._printer.note("further rows that are rejected are not shown")
            self._told += 1
        if outcome.stopped_at:
            text = (
                f"stopped before line {outcome.stopped_at.line}; {outcome.state.accepted} accepted"
            )
        else:
            text = f"{outcome.state.accepted} accepted, {outcome.state.rejected} rejected"
        if outcome.state.rejected:
            text += f" ({_reasons(outcome.state.reasons)})"
        if outcome.aside:
            text += f", set aside in {outcome.aside}"
        bad = outcome.state.rejected or outcome.stopped_at
        self._printer.line(Cell(f"{outcome.name}: {text}", "red" if bad else "green"))

    def _end(self, outcomes: Sequence[Outcome]) -> int:
        reasons: Counter[str] = Counter()
        for each in outcomes:
            reasons.update(each.state.reasons)
        accepted = sum(each.state.accepted for each in outcomes)
        stopped = any(each.stopped_at for each in outcomes)
        if self._order.as_json:
            self._printer.json(
                {
                    "accepted": accepted,
                    "rejected": reasons.total() + stopped,
                    "reasons": reasons,
                    "files": [_described(each) for each in outcomes],
                }
            )
        elif len(outcomes) > 1:
            text = f"{many(len(outcomes), 'file')}: {accepted} accepted, {reasons.total()} rejected"
            self._printer.line(Cell(text, "bold"))
        return 1 if reasons or stopped else 0


def zone_of(text: str) -> tzinfo | None:
    """A zone by its name (Europe/Berlin) or as what UTC is to be moved by (+02:00).

    :raises SettingsError: it is neither.
    """
    if not text:
        return None
    try:
        moved = datetime.strptime(text, "%z").tzinfo if text[0] in "+-" else None
        return moved or ZoneInfo(text)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        near = did_you_mean(text, available_timezones(), "write UTC, Europe/Berlin or +02:00")
        raise SettingsError(f"--zone: there is no zone {text!r} ({near})") from error


def _pair(option: str, text: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise SettingsError(f"{option}: {text!r} is no {form}")
    return name.strip(), value.strip()


def _reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in Counter(reasons).most_common())


def _described(outcome: Outcome) -> dict[str, Any]:
    return {
        "file": outcome.name,
        "accepted": outcome.state.accepted,
        "rejected": outcome.state.rejected + bool(outcome.stopped_at),
        "reasons": outcome.state.reasons,
        "set_aside": str(outcome.aside) if outcome.aside else None,
        "stopped_before": outcome.stopped_at.line if outcome.stopped_at else None,
        "rows": [
            {"line": row.line, "field": row.field, "reason": row.reason.value, "error": row.error}
            for row in outcome.refused
        ],
    }

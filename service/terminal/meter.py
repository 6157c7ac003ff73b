"""A bar that shows how an import goes on, in a terminal; nothing elsewhere."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from service.importing.importer import Seen
from service.terminal.printer import clean


class Meter:
    """Shows what it is told on standard error, so that standard output stays clean."""

    def __init__(self, name: str, *, shown: bool, console: Console | None = None) -> None:
        console = console or Console(file=sys.stderr)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[waiting]}", markup=False),
            console=console,
            transient=True,
            disable=not (shown and console.is_terminal),
        )
        self._task = self._bar.add_task(clean(name), total=None, rows="", waiting="")
        self._before: int | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, seen: Seen) -> None:
        """How far it is."""
        done = seen.state.accepted + seen.state.rejected
        if self._before is None:
            self._before = done
        elapsed = self._bar.tasks[0].elapsed or 0.0
        rate = (done - self._before) / elapsed if elapsed > 0 else 0.0
        self._bar.update(
            self._task,
            completed=None if seen.share is None else seen.share * 100,
            total=None if seen.share is None else 100,
            rows=f"{done:,} rows, {rate:,.0f}/s",
            waiting=seen.waiting,
        )

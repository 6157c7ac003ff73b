"""Tells the run in the terminal: colours and progress there, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from demo.faults import Fault
from demo.judgement import Outcome, Sighting
from demo.report import Report


class Narrator:
    """Writes to ``console``; every line begins with the seconds since the start."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._start = clock()
        self._status = console.status("")
        self._told: set[tuple[str, datetime]] = set()

    def say(self, text: str, style: str = "") -> None:
        """One line of the story."""
        stamp = f"[dim]{self._clock() - self._start:6.1f}[/dim]"
        line = f"[{style}]{escape(text)}[/{style}]" if style else escape(text)
        self._print(f"{stamp}  {line}")

    @contextmanager
    def progress(self) -> Iterator[None]:
        """While it lasts, a terminal shows what is waited for."""
        if not self._console.is_terminal:
            yield
            return
        self._status.start()
        try:
            yield
        finally:
            with suppress(OSError):
                self._status.stop()

    def waiting(self, what: str) -> None:
        """What is waited for; on a terminal only."""
        self._status.update(escape(what))

    def addresses(self, pages: str, otlp: str) -> None:
        """Where to look."""
        self.say(f"pages   {pages}", "bold cyan")
        self.say(f"alerts  {pages}/alerts", "cyan")
        self.say(f"ingest  {otlp}", "cyan")

    def broke(self, fault: Fault, number: int, of: int) -> None:
        """A fault has been switched on."""
        self.say(f"fault {number}/{of} {fault.name}: {fault.what}", "bold red")
        self.waiting(f"waiting for {' and '.join(fault.must)}")

    def caught(self, seen: Sequence[Sighting], injected_at: datetime, look: float) -> None:
        """Every alert that must fire has; the fault stays for ``look`` seconds."""
        self._fired(seen, injected_at)
        self.waiting(f"it stays broken for {look:g} s: look at the pages")

    def healed(self, fault: Fault, seen: Sequence[Sighting], injected_at: datetime) -> None:
        """The fault has been switched off."""
        self._fired(seen, injected_at)
        self.say("    healed")
        self.waiting("waiting until every alert is resolved")

    def _fired(self, seen: Sequence[Sighting], injected_at: datetime) -> None:
        """Tell of each alert once, and where to look."""
        for each in sorted(seen, key=lambda sighting: sighting.fired_at):
            if (each.fingerprint, each.fired_at) in self._told:
                continue
            self._told.add((each.fingerprint, each.fired_at))
            after = (each.fired_at - injected_at).total_seconds()
            self.say(f"    {each.alert} fired after {after:.1f} s  {each.page}".rstrip(), "yellow")
            if each.example:
                self.say(f"        for example {each.example}", "dim")

    def over(self, outcome: Outcome) -> None:
        """What came of the fault."""
        if outcome.missing:
            late = f"{outcome.injection.fault.within:g} s"
            self.say(f"    NOT caught by {', '.join(outcome.missing)} within {late}", "bold red")
        if outcome.unresolved:
            self.say(f"    NOT resolved: {', '.join(outcome.unresolved)}", "bold red")
        elif outcome.resolved_after is not None:
            self.say(f"    resolved {outcome.resolved_after:.1f} s after healing", "green")
        self.waiting("orders as usual")

    def outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Every fault and what caught it, as a table."""
        if not outcomes:
            return
        table = Table("fault", "caught by", "after", "resolved after")
        for each in outcomes:
            style = "" if each.good else "bold red"
            table.add_row(
                each.injection.fault.name,
                each.alert or "nothing",
                _seconds(each.after),
                _seconds(each.resolved_after),
                style=style,
            )
        self._print(table)

    def verdict(self, report: Report) -> None:
        """The end of the story."""
        events, operations = report.events, report.operations
        self.say(
            f"events  {events.emitted} emitted, {events.stored} stored,"
            f" {events.lost} lost, {events.doubled} doubled"
            f" ({events.accepted} accepted: heartbeats and repeats count there)"
        )
        declined = operations.started - operations.completed - operations.stuck
        self.say(
            f"orders  {operations.started} started, {operations.completed} completed,"
            f" {declined} declined, {operations.stuck} stuck"
        )
        complaints = report.complaints()
        for complaint in complaints:
            self.say(complaint, "bold red")
        if not complaints:
            self.say("all as it must be", "bold green")

    def _print(self, what: str | Table) -> None:
        # The terminal may go away; what is under way is ended in good order all the same.
        with suppress(OSError):
            self._console.print(what, soft_wrap=True, highlight=False)


def _seconds(duration: float | None) -> str:
    return "never" if duration is None else f"{duration:.1f} s"

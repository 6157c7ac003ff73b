"""One file, from its beginning or from where an import stopped, to its end."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TypeAlias

from lifecycle.errors import DonewatchError, SettingsError
from service.importing.aside import Aside, AsideForm
from service.importing.batch import BEGINNING, Batch, Place, Refused
from service.importing.door import Answer, Door, Stopped
from service.importing.pipeline import Pause, Pipeline
from service.importing.progress import Progress, State
from service.importing.source import BROKEN, Opened, Source

TOLD: Final = 100  # refused rows of a file that are kept in memory to be told


_UnderWay: TypeAlias = "deque[tuple[Batch, float | None, Future[Answer]]]"


class Reader(Protocol):
    """Reads one format."""

    @property
    def aside(self) -> AsideForm:
        """How rows that are not taken are kept; once it has begun."""

    @property
    def remarks(self) -> list[str]:
        """What a person should know of how the file is understood; once it has begun."""

    @property
    def aside_suffix(self) -> str:
        """What is added to the name of the file for that of its set-aside rows."""

    def begin(self, stream: BinaryIO) -> Place:
        """Look at the beginning. :raises SettingsError: it cannot be read this way."""

    def batches(self, stream: BinaryIO, place: Place) -> Iterator[Batch]:
        """The rows from ``place`` on, where ``stream`` stands."""


@dataclass(slots=True)
class Outcome:
    """What became of one file; ``state`` speaks of the whole of it, ``refused`` of this run."""

    name: str
    state: State
    refused: list[Refused] = field(default_factory=list)
    aside: Path | None = None  # where refused rows are
    stopped_at: Refused | None = None  # the row at which a strict import ended


class Interrupted(Exception):
    """Somebody ended it; what is acknowledged is kept."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a person watching is told: the state, and the share of the file that is done."""

    state: State
    share: float | None
    waiting: str


class Importer:
    """Imports one file after another through one pipeline.

    ``strict``: each batch is checked here first, and nothing after its first bad row is sent.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        pause: Pause,
        *,
        strict: Door | None,
        watch: Callable[[Seen], None],
    ) -> None:
        self._pipeline = pipeline
        self._pause = pause
        self._strict = strict
        self._watch = watch
        self.outcome: Outcome | None = None  # of the file under way

    def run(
        self,
        source: Source,
        reader: Reader,
        progress: Progress,
        aside: Path | None,
        note: Callable[[str], None],
        *,
        again: bool = False,
    ) -> Outcome:
        """Import ``source``. Rows that are not taken go to ``aside``, or are only told.

        ``again``: from the beginning, whatever the progress.

        :raises DonewatchError: it could not go on. :raises Interrupted: it was told to stop. Both
            leave a progress from which the next run goes on.
        """
        state, anew = (State(), "") if again else progress.load()
        if anew:
            note(f"{source.name}: begins anew, since {anew}; what was sent before counts once")
        outcome = self.outcome = Outcome(source.name, state)
        if state.finished:
            note(f"{source.name}: was imported before, by a run that stopped in a later file")
            outcome.aside = aside if state.rejected else None
            return outcome
        with source.open(alone=aside is not None) as opened:
            start = reader.begin(opened.stream)
            if state.place == BEGINNING:
                state = outcome.state = replace(state, place=start)
            else:
                note(f"{source.name}: goes on after line {state.place.line}")
                opened.skip(state.place.offset)
            for remark in reader.remarks:
                note(f"{source.name}: {remark}")
            kept = None
            if aside and (self._strict is None or state.aside):
                kept = Aside(aside, reader.aside, state.aside)
            self._through(_Run(outcome, progress, kept, opened, source), reader)
        outcome.state = replace(outcome.state, finished=outcome.stopped_at is None)
        progress.save(outcome.state)
        if kept and kept.size:
            outcome.aside = kept.path
        return outcome

    def _through(self, run: "_Run", reader: Reader) -> None:
        under_way: _UnderWay = deque()
        try:
            for batch in self._read(run, reader):
                texts, cut = self._cut(batch)
                share = run.opened.read_share(run.source.size)
                under_way.append((batch, share, self._pipeline.send(texts)))
                if cut is not None:
                    self._settle_cut(run, under_way, cut)
                    return
                while len(under_way) >= self._pipeline.depth:
                    self._settle(run, under_way)
                    if run.outcome.stopped_at:
                        return
            while under_way and not run.outcome.stopped_at:
                self._settle(run, under_way)
        except KeyboardInterrupt:
            self._wind_up(run, under_way)
            raise Interrupted from None
        finally:
            for _, _, future in under_way:
                future.cancel()

    def _read(self, run: "_Run", reader: Reader) -> Iterator[Batch]:
        """Batches, also those before a place where the file is damaged."""
        place = run.outcome.state.place
        try:
            for batch in reader.batches(run.opened.stream, place):
                place = batch.end
                yield batch
        except (*BROKEN, OSError) as error:
            raise SettingsError(
                f"{run.source.name} is damaged or cut short after line {place.line}: {error};"
                " copy it again"
            ) from error

    def _cut(self, batch: Batch) -> tuple[Sequence[bytes], Refused | None]:
        """What of a batch is sent: up to its first bad row, which is given as well, if strict."""
        texts = batch.texts()
        if self._strict is None:
            return texts, None
        found = [
            batch.refuse(no.index, no.reason, no.field, no.error)
            for no in self._strict.take(texts).refused
        ]
        bad = min((*batch.refused, *found), key=lambda each: each.line, default=None)
        if bad is None:
            return texts, None
        return batch.before(bad.line), bad

    def _settle_cut(
        self,
        run: "_Run",
        under_way: _UnderWay,
        bad: Refused,
    ) -> None:
        while len(under_way) > 1 and not run.outcome.stopped_at:
            self._settle(run, under_way)
        if not run.outcome.stopped_at:
            answer = under_way.popleft()[2].result()
            # the place stays before this batch: mended, it is sent again, and counts once
            run.outcome.state = replace(
                run.outcome.state, accepted=run.outcome.state.accepted + answer.accepted
            )
            run.outcome.stopped_at = bad
            run.outcome.refused.append(bad)

    def _settle(self, run: "_Run", under_way: _UnderWay) -> None:
        batch, share, future = under_way[0]
        while True:
            try:
                answer = future.result(timeout=0.5)
                break
            except TimeoutError:
                if future.done():
                    raise
                self._watch(Seen(run.outcome.state, share, self._pause.why))
        under_way.popleft()
        bad = [
            *batch.refused,
            *(batch.refuse(no.index, no.reason, no.field, no.error) for no in answer.refused),
        ]
        bad.sort(key=lambda each: each.line)
        if bad and self._strict is not None:
            run.outcome.refused.append(bad[0])
            run.outcome.stopped_at = bad[0]
            return
        run.settled(batch.end, answer.accepted, bad)
        self._watch(Seen(run.outcome.state, share, ""))

    def _wind_up(self, run: "_Run", under_way: _UnderWay) -> None:
        """Keep what is being answered just now; nothing waits any longer."""
        self._pause.end()
        try:
            while under_way and not run.outcome.stopped_at:
                self._settle(run, under_way)
        except (KeyboardInterrupt, Stopped, CancelledError, DonewatchError):
            return


@dataclass(slots=True)
class _Run:
    outcome: Outcome
    progress: Progress
    aside: Aside | None
    opened: Opened
    source: Source

    def settled(self, end: Place, accepted: int, bad: Sequence[Refused]) -> None:
        """Everything before ``end`` is taken or set aside. The rows first, then that they are."""
        if bad and self.aside:
            self.aside.write(bad)
        outcome, state = self.outcome, self.outcome.state
        outcome.refused += bad[: max(0, TOLD - len(outcome.refused))]
        outcome.state = State(
            place=end,
            accepted=state.accepted + accepted,
            reasons=dict(Counter(state.reasons) + Counter(each.reason.value for each in bad)),
            aside=self.aside.size if self.aside else 0,
        )
        self.progress.save(outcome.state)

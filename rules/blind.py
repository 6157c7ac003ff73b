"""The one alert about donewatch itself: it cannot see, so its other rules cannot tell."""

from dataclasses import dataclass
from typing import ClassVar, Final

from lifecycle.document import Fields
from lifecycle.durations import format_duration
from rules.kind import Known
from rules.rule import DEFAULT_INTERVAL, Rule, RuleGroup
from rules.sample import Moment, Query, Sample
from rules.watermark import watermark_lag

BLIND_FOR: Final = 300.0  # seconds of "unknown" until the cause itself is an alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """Fires while the watermark has stopped or lags beyond ``limit`` (seconds), or rules fail."""

    name: ClassVar[str] = "blind"
    keys: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[tuple[str, ...]] = ("reason",)
    needs_watermark: ClassVar[bool] = False

    workflow: str = ""
    limit: float

    @classmethod
    def read(cls, fields: Fields, known: Known) -> "Blind":
        """No file can declare this rule: it is built in."""
        raise NotImplementedError

    def labels(self) -> dict[str, str]:
        """None: there is one cause for all workflows."""
        return {}

    def evaluate(self, query: Query, moment: Moment) -> list[Sample]:
        """One sample; its value is the lag of the watermark in seconds, 0 without any."""
        return [
            Sample(
                labels={},
                value=watermark_lag(moment.flushed, moment.now) or 0.0,
                threshold=self.limit,
                firing=bool(moment.blind),
                extra={"reason": moment.blind},
            )
        ]


def blind_group(limit: float, interval: float = DEFAULT_INTERVAL) -> RuleGroup:
    """The built-in group. ``limit``: the lag (seconds) beyond which verdicts are unknown."""
    rule = Rule(
        alert="MonitoringBlind",
        kind=Blind(limit=limit),
        hold=BLIND_FOR,
        labels={"severity": "page"},
        annotations={
            "summary": f"donewatch has not seen for {format_duration(BLIND_FOR)} what happens: "
            "{{ reason }}",
            "description": "While this lasts every verdict is unknown: nothing resolves, "
            "and what gets stuck now is not noticed.",
        },
        group="donewatch",
        interval=interval,
        source="built in",
        default=True,
    )
    return RuleGroup(name="donewatch", interval=interval, rules=(rule,), source="built in")

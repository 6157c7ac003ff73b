"""``ingest``: what goes wrong on the way in, from a closed set of conditions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from lifecycle.document import Fields
from rules.kind import Known
from rules.sample import LONGEST_UNSEEN, Moment, Query, Sample

# What each condition can be told, and what it takes where it is not.
CONDITIONS: Final[Mapping[str, Mapping[str, float]]] = {
    "refused": {"window": 900.0, "more_than": 0},
    "dropped": {"window": 900.0, "more_than": 0},
    "clock_skew": {"window": 300.0, "longer_than": 60.0},
    "spool": {"more_than": 0.5},
    "silent": {"longer_than": 60.0},
}
_OF_COLLECTORS: Final = ("spool", "silent")  # seen in their marks, not in what is stored
_UNITS: Final = {"clock_skew": "seconds", "silent": "seconds", "spool": "share"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """One condition. ``threshold``: a number, for ``spool`` a share; in seconds where it is a time.

    ``window`` in seconds.
    """

    name: ClassVar[str] = "ingest"
    keys: ClassVar[tuple[str, ...]] = ("condition", "window", "more_than", "longer_than")
    required: ClassVar[tuple[str, ...]] = ("condition",)
    extra: ClassVar[tuple[str, ...]] = (
        "window",
        "reason",
        "field",
        "detail",
        "service",
        "collector",
        "bytes",
        "limit",
    )

    condition: str
    threshold: float
    window: float = 0.0
    workflow: str = ""

    @classmethod
    def of(cls, condition: str) -> "Ingest":
        """A condition with what it takes unless told."""
        known = CONDITIONS[condition]
        threshold = known["longer_than"] if "longer_than" in known else known["more_than"]
        return cls(condition=condition, threshold=threshold, window=known.get("window", 0.0))

    @classmethod
    def read(cls, fields: Fields, known: Known) -> "Ingest":
        """Read the parameters."""
        condition = fields.choice("condition", CONDITIONS, "refused")
        usual = cls.of(condition)
        for key in fields:
            value = fields.get(key)
            if value is not None and key != "condition" and key not in CONDITIONS[condition]:
                fix = f"leave it out, or tell it one of: {', '.join(CONDITIONS[condition])}"
                value.problem(f"the condition {condition!r} has no {key}", fix)
        threshold: float | None
        if "longer_than" in CONDITIONS[condition]:
            threshold = fields.duration("longer_than")
        elif condition == "spool":
            threshold = fields.share("more_than")
        else:
            threshold = fields.integer("more_than")
        return cls(
            condition=condition,
            threshold=usual.threshold if threshold is None else threshold,
            window=fields.duration("window") or usual.window,
        )

    @property
    def needs_watermark(self) -> bool:
        """Collectors tell how they fare also while what they hold is not stored."""
        return self.condition not in _OF_COLLECTORS

    @property
    def unit(self) -> str:
        """Of its value."""
        return _UNITS.get(self.condition, "")

    def labels(self) -> dict[str, str]:
        """The labels that all its samples have."""
        return {}

    def evaluate(self, query: Query, moment: Moment) -> list[Sample]:
        """One sample for each reason, service or collector that there is something to tell of."""
        found = _LOOK[self.condition](self, query, moment)
        return found or [self._sample({}, 0.0)]  # nothing wrong, which is known as well

    def _sample(self, labels: Mapping[str, str], value: float, **given: Any) -> Sample:
        count = int(given.pop("count", 0))
        extra = dict.fromkeys(self.extra, "") | {"window": self.window, "bytes": 0, "limit": 0}
        return Sample(
            labels={name: text for name, text in labels.items() if text},
            value=value,
            threshold=self.threshold,
            firing=value > self.threshold,
            count=count,
            extra=extra | given,
        )

    def _refused(self, query: Query, moment: Moment) -> list[Sample]:
        by_reason: dict[str, list[dict[str, Any]]] = {}
        for row in query("rejected_by_reason", **self._during(moment)):
            # no fault of its sender: a mapping found nothing to make an event of
            if row["reason"] == "unmapped":
                continue
            by_reason.setdefault(row["reason"], []).append(row)
        samples = []
        for reason, rows in sorted(by_reason.items()):
            count = sum(row["count"] for row in rows)
            newest = max(rows, key=_last)
            samples.append(
                self._sample(
                    {"reason": reason},
                    float(count),
                    count=count,
                    reason=reason,
                    field=newest["field"],
                    detail=newest["detail"],
                    collector=newest["collector"],
                )
            )
        return samples

    def _dropped(self, query: Query, moment: Moment) -> list[Sample]:
        return [
            self._sample(
                _where(row), float(row["dropped"]), count=row["dropped"], service=row["service"]
            )
            for row in query("producer_drops", **self._during(moment))
        ]

    def _clock_skew(self, query: Query, moment: Moment) -> list[Sample]:
        samples = []
        rows = query("clock_skew", **self._during(moment), longer_than=self.threshold)
        for row in rows:
            ahead, behind = -row["least"], row["heartbeat"] or 0.0
            detail = "ahead of" if ahead >= behind else "behind"
            samples.append(
                self._sample(
                    _where(row),
                    max(0.0, ahead, behind),
                    count=row["ahead"] if ahead >= behind else row["events"],
                    service=row["service"],
                    detail=detail,
                )
            )
        return samples

    def _spool(self, query: Query, moment: Moment) -> list[Sample]:
        """One for all: while the store is away others cannot tell, and must not seem well."""
        rows = [row for row in query("spools") if row["limit_bytes"]]
        if not rows:
            return []
        worst = max(rows, key=_share)
        return [
            self._sample(
                {},
                _share(worst),
                count=worst["pending"],
                collector=worst["collector"],
                bytes=worst["pending_bytes"],
                limit=worst["limit_bytes"],
            )
        ]

    def _silent(self, query: Query, moment: Moment) -> list[Sample]:
        return [
            self._sample(
                {"collector": row["collector"]},
                max(0.0, (moment.now - row["marked_at"]).total_seconds()),
                count=row["pending"],
                collector=row["collector"],
                detail=row["trouble"],
            )
            for row in query("collector_reports")
            if not row["retired"]
        ]

    def _during(self, moment: Moment) -> dict[str, datetime]:
        """The window up to the watermark, and what became known since the last look."""
        end = moment.proven
        start = end - timedelta(seconds=self.window)
        if moment.looked is not None:
            start = min(start, max(moment.looked, end - LONGEST_UNSEEN))
        return {"from_": start, "to": end}


_LOOK: Final[Mapping[str, Callable[[Ingest, Query, Moment], list[Sample]]]] = {
    "refused": Ingest._refused,
    "dropped": Ingest._dropped,
    "clock_skew": Ingest._clock_skew,
    "spool": Ingest._spool,
    "silent": Ingest._silent,
}


def _share(row: Mapping[str, Any]) -> float:
    return float(row["pending_bytes"] / row["limit_bytes"])


def _last(row: Mapping[str, Any]) -> datetime:
    at: datetime = row["last_at"]
    return at


def _where(row: Mapping[str, Any]) -> dict[str, str]:
    return {"service": row["service"], "environment": row["environment"]}

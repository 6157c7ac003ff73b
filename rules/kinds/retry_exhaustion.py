"""``retry_exhaustion``: jobs whose last permitted attempt failed."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from lifecycle.document import Fields
from rules.kind import DEFAULT_WINDOW, Known, MoreThan, by_environment, one_row
from rules.sample import MEMBER_LIMIT, Member, Moment, Query, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryExhaustion:
    """Over ``window`` seconds; a share is judged among at least ``min_jobs`` jobs that ended."""

    name: ClassVar[str] = "retry_exhaustion"
    keys: ClassVar[tuple[str, ...]] = ("workflow", "window", "more_than", "min_jobs")
    required: ClassVar[tuple[str, ...]] = ("workflow",)
    extra: ClassVar[tuple[str, ...]] = ("ended", "window")
    needs_watermark: ClassVar[bool] = True

    workflow: str
    window: float = DEFAULT_WINDOW
    more_than: MoreThan = field(default_factory=MoreThan)
    min_jobs: int = 0

    @classmethod
    def read(cls, fields: Fields, known: Known) -> "RetryExhaustion":
        """Read the parameters."""
        return cls(
            workflow=known.workflow(fields),
            window=fields.duration("window") or DEFAULT_WINDOW,
            more_than=MoreThan.read(fields),
            min_jobs=fields.integer("min_jobs") or 0,
        )

    def labels(self) -> dict[str, str]:
        """The labels that all its samples have."""
        return {"workflow": self.workflow}

    def evaluate(self, query: Query, moment: Moment) -> list[Sample]:
        """One sample for each environment, its value the number or the share."""
        start, settled = moment.settled_window(self.workflow, self.window)
        samples = []
        for environment, labels in by_environment(query, self.workflow):
            where: dict[str, Any] = {
                "workflow": self.workflow,
                "environments": [environment],
                "from_": start,
                "to": settled,
                "settled": settled,
            }
            row = one_row(query("retry_exhaustion", **where))
            exhausted, ended, rate = int(row["exhausted"]), int(row["ended"]), row["rate"]
            firing = self.more_than.judge(exhausted, rate, ended, self.min_jobs)
            found = query("retry_exhaustion_members", **where, limit=MEMBER_LIMIT) if firing else []
            samples.append(
                Sample(
                    labels=labels,
                    value=self.more_than.value(exhausted, rate),
                    threshold=self.more_than.threshold,
                    firing=firing,
                    count=exhausted,
                    rate=rate,
                    oldest=max(
                        ((moment.proven - each["ended_at"]).total_seconds() for each in found),
                        default=None,
                    ),
                    members=tuple(self._member(each) for each in found),
                    total=exhausted,
                    extra={"ended": ended, "window": (settled - start).total_seconds()},
                )
            )
        return samples

    def _member(self, row: dict[str, Any]) -> Member:
        job = " ".join(filter(None, (row["job_type"] or "job", row["job_id"])))
        attempt = f" at attempt {row['attempt']}" if row["attempt"] is not None else ""
        error = f" with {row['error_type']}" if row["error_type"] else ""
        return Member(
            workflow=self.workflow,
            environment=row["environment"],
            instance_id=row["instance_id"],
            since=row["ended_at"],
            detail=f"{job} gave up{attempt}{error}",
            identity=f"{row['instance_id']}/{row['job_id']}",
        )

"""``stuck``: open operations that have been in their state, or open at all, beyond the limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from lifecycle.document import Fields
from lifecycle.durations import format_duration
from rules.kind import Known, by_environment
from rules.sample import MEMBER_LIMIT, Member, Moment, Query, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """``longer_than`` in seconds replaces the definition's limits; fires at ``more_than`` + 1."""

    name: ClassVar[str] = "stuck"
    keys: ClassVar[tuple[str, ...]] = ("workflow", "state", "longer_than", "more_than")
    required: ClassVar[tuple[str, ...]] = ("workflow",)
    extra: ClassVar[tuple[str, ...]] = ()
    needs_watermark: ClassVar[bool] = True

    workflow: str
    state: str = ""
    longer_than: float | None = None
    more_than: int = 0

    @classmethod
    def read(cls, fields: Fields, known: Known) -> "Stuck":
        """Read the parameters."""
        workflow = known.workflow(fields, "" if "longer_than" in fields else "limit")
        longer_than = fields.duration("longer_than")
        state = known.state(fields, workflow)
        limits = [
            limit
            for each in known.definitions.of(workflow)
            for limit in (
                each.stuck_after,
                *(one.stuck_after for one in each.states if state in ("", one.name)),
            )
            if limit is not None
        ]
        known.limit(fields, workflow, "stuck_after", limits[0] if limits else None)
        return cls(
            workflow=workflow,
            state=state,
            longer_than=longer_than,
            more_than=fields.integer("more_than") or 0,
        )

    def labels(self) -> dict[str, str]:
        """The labels that all its samples have."""
        labels = {"workflow": self.workflow, "state": self.state}
        return {name: value for name, value in labels.items() if value}

    def evaluate(self, query: Query, moment: Moment) -> list[Sample]:
        """One sample for each environment, its value the number of stuck operations."""
        samples = []
        for environment, labels in by_environment(query, self.workflow):
            rows = query(
                "stuck",
                workflow=self.workflow,
                environments=[environment],
                flushed=moment.proven,
                settled=moment.settled(self.workflow),
                longer_than=self.longer_than,
                state=self.state,
                limit=MEMBER_LIMIT,
            )
            total = int(rows[0]["total"]) if rows else 0
            samples.append(
                Sample(
                    labels={**labels, **self.labels()},
                    value=float(total),
                    threshold=float(self.more_than),
                    firing=total > self.more_than,
                    count=total,
                    oldest=max((float(row["age"]) for row in rows), default=None),
                    members=tuple(self._member(row) for row in rows),
                    total=total,
                )
            )
        return samples

    def _member(self, row: Mapping[str, Any]) -> Member:
        age, limit = format_duration(row["age"]), format_duration(row["limit_seconds"])
        if row["cause"] == "run":
            since = row["run_started_at"]
            detail = f"open for {age}, limit {limit}; now in {row['state']}"
        else:
            since = row["entered_at"]
            detail = f"in {row['state']} for {age}, limit {limit}"
        return Member(
            workflow=self.workflow,
            environment=row["environment"],
            instance_id=row["instance_id"],
            since=since,
            detail=detail,
            identity=f"{row['instance_id']}/{row['run']}/{row['entering_event_id']}",
        )

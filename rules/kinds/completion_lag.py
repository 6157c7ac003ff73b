"""``completion_lag``: how long operations take from acceptance until their owner sees them done."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from lifecycle.document import Fields
from lifecycle.durations import format_duration
from rules.kind import (
    DEFAULT_WINDOW,
    Known,
    by_environment,
    newest,
    one_row,
    read_percentile,
    write_percentile,
)
from rules.sample import MEMBER_LIMIT, Member, Moment, Query, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionLag:
    """The ``percentile`` (0 to 1) over ``window`` seconds, judged among at least ``min_runs`` runs.

    ``longer_than`` in seconds; without it, ``within`` of the definition's objective. Open runs
    count at their age, so a percentile may not be reached: then the oldest age is its lower bound.
    """

    name: ClassVar[str] = "completion_lag"
    keys: ClassVar[tuple[str, ...]] = (
        "workflow",
        "percentile",
        "longer_than",
        "window",
        "min_runs",
    )
    required: ClassVar[tuple[str, ...]] = ("workflow",)
    extra: ClassVar[tuple[str, ...]] = (
        "percentile",
        "reached",
        "runs",
        "completed",
        "ended_otherwise",
        "open",
        "window",
    )
    needs_watermark: ClassVar[bool] = True

    workflow: str
    percentile: float = 0.95
    longer_than: float | None = None
    window: float = DEFAULT_WINDOW
    min_runs: int = 1

    @classmethod
    def read(cls, fields: Fields, known: Known) -> "CompletionLag":
        """Read the parameters."""
        workflow = known.workflow(fields, "" if "longer_than" in fields else "limit")
        definition = known.definitions.newest(workflow)
        objective = definition.completion.objective if definition else None
        limit = objective.within if objective else None
        known.limit(fields, workflow, "completion.objective", limit)
        return cls(
            workflow=workflow,
            percentile=read_percentile(fields.get("percentile"), 0.95),
            longer_than=fields.duration("longer_than"),
            window=fields.duration("window") or DEFAULT_WINDOW,
            min_runs=fields.integer("min_runs", least=1) or 1,
        )

    def labels(self) -> dict[str, str]:
        """The labels that all its samples have."""
        return {"workflow": self.workflow}

    def _limit(self, moment: Moment) -> float | None:
        if self.longer_than is not None:
            return self.longer_than
        definition = newest(moment, self.workflow)
        objective = definition.completion.objective if definition else None
        return objective.within if objective else None

    def evaluate(self, query: Query, moment: Moment) -> list[Sample]:
        """One sample for each environment, its value the percentile (or its bound) in seconds."""
        limit = self._limit(moment)
        if limit is None:
            return []
        samples = []
        for environment, labels in by_environment(query, self.workflow):
            row = one_row(
                query(
                    "completion_lag",
                    workflow=self.workflow,
                    environments=[environment],
                    from_=moment.proven - timedelta(seconds=self.window),
                    to=moment.proven,
                    flushed=moment.proven,
                    percentile=self.percentile,
                )
            )
            oldest = float(row["oldest"] or 0.0)
            reached = row["percentile"] is not None
            value = float(row["percentile"]) if reached else oldest
            firing = value > limit and int(row["runs"]) >= self.min_runs
            late = self._late(query, moment, environment, limit) if firing else []
            samples.append(
                Sample(
                    labels=labels,
                    value=value,
                    threshold=limit,
                    firing=firing,
                    count=int(row["runs"]),
                    oldest=oldest,
                    members=tuple(self._member(environment, run) for run in late),
                    total=int(late[0]["total"]) if late else 0,
                    extra={
                        "percentile": write_percentile(self.percentile),
                        "reached": reached,
                        "window": self.window,
                        **{
                            name: int(row[name])
                            for name in ("runs", "completed", "ended_otherwise", "open")
                        },
                    },
                )
            )
        return samples

    def _late(
        self, query: Query, moment: Moment, environment: str, limit: float
    ) -> list[dict[str, Any]]:
        return query(
            "completion_members",
            workflow=self.workflow,
            environments=[environment],
            flushed=moment.proven,
            longer_than=limit,
            limit=MEMBER_LIMIT,
        )

    def _member(self, environment: str, run: dict[str, Any]) -> Member:
        return Member(
            workflow=self.workflow,
            environment=environment,
            instance_id=run["instance_id"],
            since=run["started_at"],
            detail=f"accepted {format_duration(run['age'])} ago, still in {run['state']}",
            identity=f"{run['instance_id']}/{run['run']}",
        )

"""``illegal_transitions``: committed transitions that the definition does not declare."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from lifecycle.document import Fields
from rules.kind import DEFAULT_WINDOW, Known, MoreThan, by_environment, one_row
from rules.sample import MEMBER_LIMIT, Member, Moment, Query, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class IllegalTransitions:
    """Over ``window`` seconds; a share is judged among at least ``min_count`` committed ones."""

    name: ClassVar[str] = "illegal_transitions"
    keys: ClassVar[tuple[str, ...]] = ("workflow", "window", "more_than", "min_count")
    required: ClassVar[tuple[str, ...]] = ("workflow",)
    extra: ClassVar[tuple[str, ...]] = ("committed", "unjudged", "window")
    needs_watermark: ClassVar[bool] = True

    workflow: str
    window: float = DEFAULT_WINDOW
    more_than: MoreThan = field(default_factory=MoreThan)
    min_count: int = 0

    @classmethod
    def read(cls, fields: Fields, known: Known) -> "IllegalTransitions":
        """Read the parameters."""
        return cls(
            workflow=known.workflow(fields, "judging of transitions"),
            window=fields.duration("window") or DEFAULT_WINDOW,
            more_than=MoreThan.read(fields),
            min_count=fields.integer("min_count") or 0,
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
            row = one_row(query("illegal_transitions", **where))
            illegal, committed, rate = int(row["illegal"]), int(row["committed"]), row["rate"]
            firing = self.more_than.judge(illegal, rate, committed, self.min_count)
            found = query("illegal_members", **where, limit=MEMBER_LIMIT) if firing else []
            samples.append(
                Sample(
                    labels=labels,
                    value=self.more_than.value(illegal, rate),
                    threshold=self.more_than.threshold,
                    firing=firing,
                    count=illegal,
                    rate=rate,
                    oldest=max(
                        ((moment.proven - row["effective_at"]).total_seconds() for row in found),
                        default=None,
                    ),
                    members=tuple(
                        Member(
                            workflow=self.workflow,
                            environment=row["environment"],
                            instance_id=row["instance_id"],
                            since=row["effective_at"],
                            detail=_detail(row),
                            identity=f"{row['instance_id']}/{row['event_id']}",
                        )
                        for row in found
                    ),
                    total=illegal,
                    extra={
                        "committed": committed,
                        "unjudged": int(row["unjudged"]),
                        "window": (settled - start).total_seconds(),
                    },
                )
            )
        return samples


def _detail(row: dict[str, Any]) -> str:
    action = f" by {row['action']}" if row["action"] else ""
    who = " ".join(filter(None, (row["service"], row["service_version"])))
    return f"{row['from_state'] or 'creation'} → {row['to_state']}{action}" + (
        f", from {who}" if who else ""
    )

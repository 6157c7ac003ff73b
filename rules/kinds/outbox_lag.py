"""``outbox_lag``: the age of the oldest outbox record that nobody has dispatched."""

from dataclasses import dataclass
from typing import ClassVar

from lifecycle.document import Fields
from lifecycle.durations import format_duration
from rules.kind import Known, by_environment, newest, one_row
from rules.sample import MEMBER_LIMIT, Member, Moment, Query, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxLag:
    """``longer_than`` in seconds; without it, the definition's ``outbox.max_lag``."""

    name: ClassVar[str] = "outbox_lag"
    keys: ClassVar[tuple[str, ...]] = ("workflow", "longer_than")
    required: ClassVar[tuple[str, ...]] = ("workflow",)
    extra: ClassVar[tuple[str, ...]] = ("depth",)
    needs_watermark: ClassVar[bool] = True

    workflow: str
    longer_than: float | None = None

    @classmethod
    def read(cls, fields: Fields, known: Known) -> "OutboxLag":
        """Read the parameters."""
        workflow = known.workflow(fields, "" if "longer_than" in fields else "limit")
        definition = known.definitions.newest(workflow)
        limit = definition.outbox_max_lag if definition else None
        known.limit(fields, workflow, "outbox.max_lag", limit)
        return cls(workflow=workflow, longer_than=fields.duration("longer_than"))

    def labels(self) -> dict[str, str]:
        """The labels that all its samples have."""
        return {"workflow": self.workflow}

    def evaluate(self, query: Query, moment: Moment) -> list[Sample]:
        """One sample for each environment, its value the lag in seconds."""
        definition = newest(moment, self.workflow)
        limit = self.longer_than
        if limit is None and definition is not None:
            limit = definition.outbox_max_lag
        if limit is None:
            return []
        samples = []
        for environment, labels in by_environment(query, self.workflow):
            where = {
                "workflow": self.workflow,
                "environments": [environment],
                "flushed": moment.proven,
            }
            row = one_row(query("outbox_lag", **where))
            lag, depth = float(row["lag"]), int(row["depth"])
            firing = lag > limit
            found = query("outbox_members", **where, limit=MEMBER_LIMIT) if firing else []
            samples.append(
                Sample(
                    labels=labels,
                    value=lag,
                    threshold=limit,
                    firing=firing,
                    count=depth,
                    oldest=lag,
                    members=tuple(
                        Member(
                            workflow=self.workflow,
                            environment=each["environment"],
                            instance_id=each["instance_id"],
                            since=each["recorded_at"],
                            detail=f"outbox record {each['outbox_id']} "
                            f"waits for {format_duration(each['age'])}",
                            identity=f"{each['instance_id']}/{each['outbox_id']}",
                        )
                        for each in found
                    ),
                    total=depth,
                    extra={"depth": depth},
                )
            )
        return samples

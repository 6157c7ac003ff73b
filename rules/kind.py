"""What every kind of rule has, and how kinds read what they have in common."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol, Self

from lifecycle.definitions import Definition, Definitions
from lifecycle.document import Fields, Value, did_you_mean
from rules.sample import Moment, Query, Sample

DEFAULT_WINDOW: Final = 300.0  # seconds over which rates are taken unless a rule says otherwise
_PERCENTILE: Final = re.compile(r"p(\d{1,2}(?:\.\d{1,6})?)")


class Kind(Protocol):
    """The parameters of one rule, and how they are judged.

    To add a kind: one module in ``rules/kinds`` with such a class, one query in the store, one line
    in the registry.
    """

    name: ClassVar[str]  # the key in a rule file
    keys: ClassVar[tuple[str, ...]]
    required: ClassVar[tuple[str, ...]]
    extra: ClassVar[tuple[str, ...]]  # more variables that its samples give to annotations

    @property
    def needs_watermark(self) -> bool:
        """Whether nothing can be told of it while the watermark stands."""
        ...

    @property
    def workflow(self) -> str:
        """The workflow type it watches."""
        ...

    @classmethod
    def read(cls, fields: Fields, known: "Known") -> Self:
        """Read the parameters; mistakes are recorded in the document."""
        ...

    def labels(self) -> dict[str, str]:
        """The labels that all its samples have."""
        ...

    def evaluate(self, query: Query, moment: Moment) -> list[Sample]:
        """One sample for each environment.

        :raises StoreError: a query failed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """The definitions that rules are checked against.

    ``broken`` are workflow types whose file has problems of its own: nothing is held against a rule
    that names them.
    """

    definitions: Definitions = field(default_factory=Definitions)
    broken: frozenset[str] = frozenset()

    def workflow(self, fields: Fields, needs: str = "") -> str:
        """Read ``workflow``. ``needs`` says what the rule needs a definition for, if it does."""
        workflow = fields.word("workflow", longest=128)
        place = fields.get("workflow")
        names = self.definitions.workflows()
        if not workflow or place is None or workflow in self.broken or not names:
            return workflow
        if workflow not in names:
            # A type without definition can be watched; a typing error must not go unseen.
            fix = did_you_mean(workflow, names, otherwise="-")
            if fix != "-" or needs:
                fix = "add a definition file for it" if fix == "-" else fix
                why = f", and without a definition there is no {needs}" if needs else ""
                place.problem(f"unknown workflow {workflow!r}{why}", fix)
        return workflow

    def state(self, fields: Fields, workflow: str) -> str:
        """Read ``state``, which some version of the workflow must have."""
        state = fields.word("state")
        place = fields.get("state")
        versions = self.definitions.of(workflow)
        if state and place is not None and versions and workflow not in self.broken:
            states = {each.name: None for version in versions for each in version.states}
            if state not in states:
                message = f"the workflow {workflow!r} has no state {state!r}"
                place.problem(message, did_you_mean(state, states))
        return state

    def limit(self, fields: Fields, workflow: str, key: str, found: float | None) -> None:
        """Report that neither the rule nor the (known) definition has a limit."""
        if "longer_than" in fields or found is not None:
            return
        if self.definitions.newest(workflow) is not None and workflow not in self.broken:
            message = f"neither the rule has longer_than nor the definition {key}"
            fields.value.problem(message, "add longer_than, for example 30s")


@dataclass(frozen=True, slots=True)
class MoreThan:
    """A threshold: a number of things, or a share of them (0 to 1)."""

    count: int = 0
    share: float | None = None

    @classmethod
    def read(cls, fields: Fields) -> "MoreThan":
        """Read ``more_than``: ``3`` or ``1%``."""
        value = fields.get("more_than")
        if value is None:
            return cls()
        if value.type == "str":
            share = value.share()
            return cls(share=share)
        return cls(count=value.integer() or 0)

    def judge(self, count: int, rate: float | None, out_of: int, least: int) -> bool:
        """Whether it is exceeded; a share only among at least ``least`` things."""
        if self.share is None:
            return count > self.count
        return rate is not None and rate > self.share and out_of >= least

    def value(self, count: int, rate: float | None) -> float:
        """The number that is compared: the count, or the share (0 where there is none)."""
        return float(count) if self.share is None else float(rate or 0)

    @property
    def threshold(self) -> float:
        """The number that the value is compared with."""
        return float(self.count) if self.share is None else self.share


def read_percentile(value: Value | None, default: float) -> float:
    """Read ``p95`` as 0.95."""
    word = value.word() if value else None
    if value is None or word is None:
        return default
    match = _PERCENTILE.fullmatch(word)
    if match is None or float(match[1]) == 0:
        message = f"unknown percentile {word!r}"
        value.problem(message, "write p50, p95, p99 or any other between p0 and p100")
        return default
    return round(float(match[1]) / 100, 12)


def write_percentile(percentile: float) -> str:
    """Write 0.95 as ``p95``."""
    return f"p{percentile * 100:.6f}".rstrip("0").rstrip(".")


def by_environment(query: Query, workflow: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each environment that the workflow has events of, and the labels that name it."""
    for row in query("environments", workflow=workflow):
        environment = row["environment"]
        labels = {"workflow": workflow, "environment": environment}
        yield environment, {name: value for name, value in labels.items() if value}


def newest(moment: Moment, workflow: str) -> Definition | None:
    """The definition whose limits stand in for those that a rule leaves out."""
    return moment.definitions.newest(workflow)


def one_row(rows: list[dict[str, Any]]) -> Mapping[str, Any]:
    """The row of a query that answers with exactly one."""
    if len(rows) != 1:
        raise ValueError(f"one row was expected, {len(rows)} came")
    return rows[0]

"""One rule, wherever it came from: a file, a definition, or donewatch itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rules.fingerprint import fingerprint
from rules.kind import Kind

DEFAULT_INTERVAL = 15.0  # seconds between two evaluations of a group unless its file says otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An alert and the parameters that decide it. Durations in seconds.

    ``limit``: more firing alerts than this at once are an error of the rule (0: no limit).
    ``source``: ``file:line``, or where else the rule comes from.
    """

    alert: str
    kind: Kind
    hold: float = 0.0  # `for` in a rule file
    keep_firing_for: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    interval: float = DEFAULT_INTERVAL
    limit: int = 0
    source: str = ""
    default: bool = False  # it follows from a definition

    @property
    def id(self) -> str:
        """The same as long as name and labels are: what its alerts are found by after a reload."""
        return fingerprint(self.alert_labels(self.kind.labels()))

    def alert_labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """The labels of an alert: those of the sample, the rule's own, and its name."""
        merged = {**labels, **self.labels, "alertname": self.alert}
        return {name: value for name, value in sorted(merged.items()) if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleGroup:
    """Rules that are evaluated together, every ``interval`` seconds."""

    name: str
    interval: float = DEFAULT_INTERVAL
    limit: int = 0
    rules: tuple[Rule, ...] = ()
    source: str = ""  # the file

    @property
    def key(self) -> str:
        """Names it among all groups."""
        return f"{self.source};{self.name}"

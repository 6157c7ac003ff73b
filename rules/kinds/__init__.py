"""The kinds of rules, by the key that names them in a rule file."""

from collections.abc import Mapping
from typing import Final

from rules.kind import Kind
from rules.kinds.completion_lag import CompletionLag
from rules.kinds.illegal_transitions import IllegalTransitions
from rules.kinds.ingest import Ingest
from rules.kinds.outbox_lag import OutboxLag
from rules.kinds.retry_exhaustion import RetryExhaustion
from rules.kinds.stuck import Stuck

KINDS: Final[Mapping[str, type[Kind]]] = {
    kind.name: kind
    for kind in (Stuck, IllegalTransitions, OutboxLag, CompletionLag, RetryExhaustion, Ingest)
}

__all__ = [
    "KINDS",
    "CompletionLag",
    "IllegalTransitions",
    "Ingest",
    "OutboxLag",
    "RetryExhaustion",
    "Stuck",
]

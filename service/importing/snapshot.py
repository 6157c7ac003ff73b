"""Open instances of a system that runs already, as the one event that seeds each."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

import msgspec

from collector.records import Flaw, Reason
from collector.values import microseconds, type_name
from lifecycle.document import did_you_mean

NEEDED: Final = ("workflow_type", "instance_id", "state", "since")
SNAPSHOT_FIELDS: Final = (
    *NEEDED,
    "environment",
    "workflow_version",
    "sequence",
    "business_key",
    "reason",
    "service",
    "service_version",
    "trace_id",
    "span_id",
    "attributes",
)
_LEEWAY: Final = 60_000_000  # microseconds; clocks of databases run ahead of ours a little
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Seeding:
    """Makes rows into events. ``now`` in microseconds: what lies after it has not been yet."""

    def __init__(self, now: int) -> None:
        self._now = now

    def event(self, row: Mapping[str, Any]) -> bytes:
        """The event, as one line of JSON.

        A self-transition of class ``replay``: it begins a stay at ``since`` with its start unseen,
        and is judged against no edge. Its id follows from type, instance, state and ``since``, so
        the same row is the same event whenever it is imported.

        :raises Flaw: a field is missing, unknown or wrong, or ``since`` lies in the future.
        """
        given = {name: value for name, value in row.items() if value not in (None, "")}
        for name in given:
            if name not in SNAPSHOT_FIELDS:
                fix = did_you_mean(name, SNAPSHOT_FIELDS, "put your own into attributes")
                raise Flaw(Reason.UNKNOWN_FIELD, name, f"is not a field of an open instance; {fix}")
        for name in NEEDED:
            if name not in given:
                raise Flaw(Reason.MISSING, name, "is missing; every open instance needs it")
        state, since = given.pop("state"), given.pop("since")
        if type(state) is not str:
            raise Flaw(Reason.TYPE, "state", f"is {type_name(state)}; it must be a string")
        at = self._since(since)
        identity = msgspec.json.encode([given["workflow_type"], given["instance_id"], state, at])
        return msgspec.json.encode(
            {
                "event": "transition",
                **given,
                "event_id": f"snapshot-{blake2b(identity, digest_size=16).hexdigest()}",
                "from": state,
                "to": state,
                "action": "snapshot",
                "class": "replay",
                "actor_type": "system",
                "occurred_at": at * 1000,
            }
        )

    def _since(self, value: object) -> int:
        try:
            at = microseconds(value)
        except Flaw as flaw:
            raise Flaw(flaw.reason, "since", flaw.error) from None
        if at > self._now + _LEEWAY:
            raise Flaw(
                Reason.TIME,
                "since",
                f"lies in the future: {_shown(at)}; it is when the state was entered",
            )
        return at


def _shown(at: int) -> str:
    return (_EPOCH + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")

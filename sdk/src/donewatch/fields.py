"""Arguments of an emission, checked and turned into the attributes of an event.

The limits are those of the service: what would be refused there is told here, where the mistake is.
One value that cannot be encoded would cost the whole batch it travels in, so nothing of the kind
gets through.
"""

from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, TypeAlias, TypedDict
from uuid import UUID

from donewatch import attributes as names

Name: TypeAlias = str | int | UUID | Enum
Time: TypeAlias = datetime | int | float | str
Value: TypeAlias = "str | bool | int | float | bytes | Sequence[Value] | Mapping[str, Value] | None"

_NAME_LENGTH: Final = 256
LENGTHS: Final[Mapping[str, int]] = {  # in characters; of all others 256
    names.EVENT_ID: 128,
    names.WORKFLOW_TYPE: 128,
    names.WORKFLOW_VERSION: 128,
    names.REASON: 4096,
    names.TRANSITION_KEY: 512,
    names.JOB_EFFECT_KEY: 512,
    names.JOB_CAUSE_KEY: 512,
    names.OUTBOX_TRANSITION_KEY: 512,
}
_INT64: Final = 2**63
_LATEST: Final = 2**63 - 1  # ns; the year 2262
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DEEPEST: Final = 8


class Common(TypedDict, total=False):
    """What every event may say beside its own fields."""

    sequence: int | None
    business_key: str
    actor_type: str
    actor_id: Name
    reason: str
    event_id: str | None
    occurred_at: Time | None
    attributes: Mapping[str, object] | None


_COMMON: Final = frozenset(Common.__annotations__)


class InvalidEventError(ValueError):
    """The arguments make no event; says which one, and what would be right."""

    def __init__(self, argument: str, problem: str) -> None:
        self.argument = argument
        super().__init__(f"{argument}: {problem}")


def text_of(argument: str, value: object) -> str:
    """An identifier as text: strings, and what stands for one (UUID, int, an enum's value)."""
    if isinstance(value, Enum) and not isinstance(value, str):
        value = value.value
    if isinstance(value, str):
        return str.__str__(value)  # of a subclass, the bare text
    if isinstance(value, UUID) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    raise InvalidEventError(argument, f"is a {type(value).__name__}; it must be a string")


def put_text(
    into: dict[str, Value],
    attribute: str,
    argument: str,
    value: object,
    *,
    required: bool = False,
    choices: tuple[str, ...] = (),
) -> None:
    """Add a string attribute; an empty one is left out.

    :raises InvalidEventError: no string, too long, not encodable, required and empty, or no choice.
    """
    if value is None or value == "":
        if required:
            raise InvalidEventError(argument, "is empty; it is required")
        return
    if type(value) is not str:
        value = text_of(argument, value)
    if choices and value not in choices:
        raise InvalidEventError(
            argument, f"is {value[:80]!r}; it must be one of {', '.join(choices)}"
        )
    longest = LENGTHS.get(attribute, _NAME_LENGTH)
    if len(value) > longest:
        raise InvalidEventError(
            argument, f"has {len(value)} characters; at most {longest} are kept"
        )
    into[attribute] = _encodable(argument, value)


def put_free_text(into: dict[str, Value], attribute: str, argument: str, value: object) -> None:
    """Add text for people, cut to the length that is kept: an event must not fail for a long
    reason."""
    if isinstance(value, str):
        value = value.encode("utf-8", "replace").decode()[: LENGTHS.get(attribute, _NAME_LENGTH)]
    put_text(into, attribute, argument, value)


def put_integer(into: dict[str, Value], attribute: str, argument: str, value: object) -> None:
    """Add an integer attribute; ``None`` is left out.

    :raises InvalidEventError: no integer, or beyond 64 bits.
    """
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidEventError(argument, f"is a {type(value).__name__}; it must be an integer")
    if not -_INT64 <= value < _INT64:
        raise InvalidEventError(argument, f"is {value:.3e}; it must fit 64 bits")
    into[attribute] = int(value)


def put_time(into: dict[str, Value], attribute: str, argument: str, value: Time | None) -> None:
    """Add a moment, as nanoseconds since the Unix epoch; ``None`` is left out."""
    if value is not None:
        into[attribute] = nanoseconds(argument, value)


def nanoseconds(argument: str, value: object) -> int:
    """A moment in nanoseconds since the Unix epoch.

    Takes a ``datetime`` with its timezone, RFC 3339 text, an ``int`` of nanoseconds
    (``time.time_ns()``) or a ``float`` of seconds (``time.time()``).

    :raises InvalidEventError: none of these, or not between 1970 and 2262.
    """
    if isinstance(value, str):
        value = _moment(argument, value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidEventError(argument, "has no timezone; use datetime.now(UTC)")
        moment = (value - _EPOCH) // _MICROSECOND * 1000
    elif isinstance(value, float):
        if not 0 <= value < _LATEST / 1e9:
            raise InvalidEventError(argument, f"is {value!r}; it must be seconds since 1970")
        moment = int(value * 1e9)
    elif isinstance(value, int) and not isinstance(value, bool):
        moment = int(value)
    else:
        raise InvalidEventError(
            argument, f"is a {type(value).__name__}; it must be a datetime, text, int or float"
        )
    if not 0 < moment <= _LATEST:
        raise InvalidEventError(argument, f"is {value}; it must lie between 1970 and 2262")
    return moment


def _moment(argument: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidEventError(
            argument, f"is {text[:80]!r}; write it as 2026-11-21T09:48:00Z"
        ) from None


def put_common(into: dict[str, Value], common: Common) -> None:
    """Add what every event may say; the application's own attributes never replace ours.

    :raises InvalidEventError: an argument is unknown or cannot be taken.
    """
    if unknown := common.keys() - _COMMON:
        raise InvalidEventError(min(unknown), "is no argument of this call")
    put_integer(into, names.SEQUENCE, "sequence", common.get("sequence"))
    put_text(into, names.BUSINESS_KEY, "business_key", common.get("business_key"))
    put_text(
        into,
        names.ACTOR_TYPE,
        "actor_type",
        common.get("actor_type"),
        choices=names.ACTOR_TYPES,
    )
    put_text(into, names.ACTOR_ID, "actor_id", common.get("actor_id"))
    put_free_text(into, names.REASON, "reason", common.get("reason"))
    own = common.get("attributes")
    if own is None:
        return
    if not isinstance(own, Mapping):
        raise InvalidEventError("attributes", f"is a {type(own).__name__}; it must be a mapping")
    for key, value in own.items():
        if not isinstance(key, str) or not key or key.startswith("donewatch."):
            raise InvalidEventError(
                "attributes",
                f"has the key {key!r}; keys are text and do not begin with 'donewatch.'",
            )
        into.setdefault(_encodable("attributes", str.__str__(key)), plain(value))


def plain(value: object, depth: int = 0) -> Value:
    """A value of the application's own as OpenTelemetry can carry it; what it cannot becomes
    text."""
    if value is None or isinstance(value, bool | float | bytes):
        return value
    if isinstance(value, str):
        return str.__str__(value).encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return int(value) if -_INT64 <= value < _INT64 else str(value)
    if isinstance(value, Enum):
        return plain(value.value, depth)
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return {str(plain(str(key))): plain(each, depth + 1) for key, each in value.items()}
        if isinstance(value, Sequence | Set):
            return [plain(each, depth + 1) for each in value]
    return str(value).encode("utf-8", "replace").decode()


def _encodable(argument: str, value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidEventError(argument, "holds half a character (a lone surrogate)") from None
    return value

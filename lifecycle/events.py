"""An event as donewatch keeps it, and the one table of the fields it may carry."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

from donewatch import attributes as names


class EventKind(StrEnum):
    """What an event reports; the OpenTelemetry event name is ``donewatch.`` + this."""

    TRANSITION = "transition"
    JOB = "job"
    OUTBOX = "outbox"
    VISIBLE = "visible"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One checked event, ready to be stored. Field names are the columns of the table ``events``.

    Times are integers, microseconds since the Unix epoch, UTC. An empty string or ``None`` means
    "not given". ``attributes`` is a JSON object as text: what the producer sent beyond our own
    names, with its types.
    """

    tenant: str
    event: str  # an EventKind
    event_id: str
    workflow_type: str = ""
    workflow_version: str = ""
    environment: str = ""
    instance_id: str = ""
    occurred_at: int
    received_at: int
    sequence: int | None = None
    business_key: str = ""
    actor_type: str = ""
    actor_id: str = ""
    reason: str = ""
    from_state: str = ""
    to_state: str = ""
    action: str = ""
    key: str = ""
    outcome: str = ""  # of a transition; "committed" unless given
    rejection: str = ""
    class_: str = ""  # of a transition; "normal" unless given
    entered_at: int | None = None
    error_type: str = ""
    job_id: str = ""
    job_type: str = ""
    job_queue: str = ""
    job_state: str = ""
    attempt: int | None = None
    max_attempts: int | None = None
    scheduled_at: int | None = None
    effect_key: str = ""
    cause_key: str = ""
    basis_sequence: int | None = None
    outbox_id: str = ""
    outbox_state: str = ""
    transition_key: str = ""
    producer: str = ""
    emitted: int | None = None
    dropped: int | None = None
    service: str = ""
    service_version: str = ""
    trace_id: str = ""  # 32 lowercase hex digits, or empty
    span_id: str = ""  # 16 lowercase hex digits, or empty
    attributes: str = "{}"
    collector: str = ""
    segment: int = 0  # the batch in which the collector inserted it
    position: int = 0  # its place in that batch


EVENT_COLUMNS: Final[tuple[str, ...]] = tuple(field.name for field in fields(Event))


class FieldType(StrEnum):
    """What a producer may send in a field."""

    STRING = "string"
    INTEGER = "integer"
    TIME = "time"  # RFC 3339 text or integer nanoseconds since the Unix epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field that a producer may send.

    ``name`` is the native (NDJSON) name, ``attribute`` the OpenTelemetry one, ``column`` the field
    of ``Event``. ``kinds`` are the events it belongs to (all when empty).
    """

    name: str
    attribute: str
    column: str
    type: FieldType = FieldType.STRING
    kinds: tuple[EventKind, ...] = ()
    required: bool = False
    choices: tuple[str, ...] = ()
    max_length: int = 256
    resource: bool = False  # an attribute of the OpenTelemetry resource

    @property
    def alias(self) -> str:
        """The attribute's name without ``donewatch.``, dots as underscores: accepted as well."""
        return self.attribute.removeprefix("donewatch.").replace(".", "_")


_T = (EventKind.TRANSITION,)
_J = (EventKind.JOB,)
_O = (EventKind.OUTBOX,)
_H = (EventKind.HEARTBEAT,)
_BUSINESS = (EventKind.TRANSITION, EventKind.JOB, EventKind.OUTBOX, EventKind.VISIBLE)
_INT = FieldType.INTEGER
_TIME = FieldType.TIME

FIELDS: Final[tuple[Field, ...]] = (
    Field(name="event_id", attribute=names.EVENT_ID, column="event_id", max_length=128),
    Field(
        name="workflow_type",
        attribute=names.WORKFLOW_TYPE,
        column="workflow_type",
        kinds=_BUSINESS,
        required=True,
        max_length=128,
    ),
    Field(
        name="workflow_version",
        attribute=names.WORKFLOW_VERSION,
        column="workflow_version",
        max_length=128,
    ),
    Field(
        name="instance_id",
        attribute=names.INSTANCE_ID,
        column="instance_id",
        kinds=_BUSINESS,
        required=True,
    ),
    Field(name="sequence", attribute=names.SEQUENCE, column="sequence", type=_INT),
    Field(name="business_key", attribute=names.BUSINESS_KEY, column="business_key"),
    Field(
        name="actor_type",
        attribute=names.ACTOR_TYPE,
        column="actor_type",
        choices=names.ACTOR_TYPES,
    ),
    Field(name="actor_id", attribute=names.ACTOR_ID, column="actor_id"),
    Field(name="reason", attribute=names.REASON, column="reason", max_length=4096),
    Field(name="from", attribute=names.TRANSITION_FROM, column="from_state", kinds=_T),
    Field(name="to", attribute=names.TRANSITION_TO, column="to_state", kinds=_T, required=True),
    Field(name="action", attribute=names.TRANSITION_ACTION, column="action", kinds=_T),
    Field(name="key", attribute=names.TRANSITION_KEY, column="key", kinds=_T, max_length=512),
    Field(
        name="outcome",
        attribute=names.TRANSITION_OUTCOME,
        column="outcome",
        kinds=_T,
        choices=names.OUTCOMES,
    ),
    Field(
        name="rejection",
        attribute=names.TRANSITION_REJECTION,
        column="rejection",
        kinds=_T,
        choices=names.REJECTIONS,
    ),
    Field(
        name="class",
        attribute=names.TRANSITION_CLASS,
        column="class_",
        kinds=_T,
        choices=names.CLASSES,
    ),
    Field(
        name="entered_at",
        attribute=names.TRANSITION_ENTERED_AT,
        column="entered_at",
        type=_TIME,
        kinds=_T,
    ),
    Field(name="error_type", attribute=names.ERROR_TYPE, column="error_type", kinds=_T + _J + _O),
    Field(name="job_id", attribute=names.JOB_ID, column="job_id", kinds=_J, required=True),
    Field(name="job_type", attribute=names.JOB_TYPE, column="job_type", kinds=_J),
    Field(name="job_queue", attribute=names.JOB_QUEUE, column="job_queue", kinds=_J),
    Field(
        name="job_state",
        attribute=names.JOB_STATE,
        column="job_state",
        kinds=_J,
        required=True,
        choices=names.JOB_STATES,
    ),
    Field(name="attempt", attribute=names.JOB_ATTEMPT, column="attempt", type=_INT, kinds=_J),
    Field(
        name="max_attempts",
        attribute=names.JOB_MAX_ATTEMPTS,
        column="max_attempts",
        type=_INT,
        kinds=_J,
    ),
    Field(
        name="scheduled_at",
        attribute=names.JOB_SCHEDULED_AT,
        column="scheduled_at",
        type=_TIME,
        kinds=_J,
    ),
    Field(
        name="effect_key",
        attribute=names.JOB_EFFECT_KEY,
        column="effect_key",
        kinds=_J,
        max_length=512,
    ),
    Field(
        name="cause_key",
        attribute=names.JOB_CAUSE_KEY,
        column="cause_key",
        kinds=_J,
        max_length=512,
    ),
    Field(
        name="basis_sequence",
        attribute=names.JOB_BASIS_SEQUENCE,
        column="basis_sequence",
        type=_INT,
        kinds=_J,
    ),
    Field(name="outbox_id", attribute=names.OUTBOX_ID, column="outbox_id", kinds=_O, required=True),
    Field(
        name="outbox_state",
        attribute=names.OUTBOX_STATE,
        column="outbox_state",
        kinds=_O,
        required=True,
        choices=names.OUTBOX_STATES,
    ),
    Field(
        name="transition_key",
        attribute=names.OUTBOX_TRANSITION_KEY,
        column="transition_key",
        kinds=_O,
        max_length=512,
    ),
    Field(name="producer", attribute=names.HEARTBEAT_PRODUCER, column="producer", kinds=_H),
    Field(name="emitted", attribute=names.HEARTBEAT_EMITTED, column="emitted", type=_INT, kinds=_H),
    Field(name="dropped", attribute=names.HEARTBEAT_DROPPED, column="dropped", type=_INT, kinds=_H),
    Field(name="service", attribute=names.SERVICE_NAME, column="service", resource=True),
    Field(
        name="service_version",
        attribute=names.SERVICE_VERSION,
        column="service_version",
        resource=True,
    ),
    Field(
        name="environment",
        attribute=names.ENVIRONMENT,
        column="environment",
        resource=True,
        max_length=128,
    ),
)

FIELD_BY_ATTRIBUTE: Final[Mapping[str, Field]] = {field.attribute: field for field in FIELDS}
FIELD_BY_NAME: Final[Mapping[str, Field]] = {
    **{field.alias: field for field in FIELDS},
    **{field.name: field for field in FIELDS},
}


def fields_of(kind: EventKind) -> dict[str, Field]:
    """The fields that an event of this kind may have, by native name.

    A heartbeat may say which workflow and instance it speaks of, though it need not.
    """
    return {
        field.name: field
        for field in FIELDS
        if not field.kinds or kind in field.kinds or field.name in ("workflow_type", "instance_id")
    }


def is_required(field: Field, kind: EventKind) -> bool:
    """Whether every event of this kind must have the field."""
    return field.required and kind in field.kinds

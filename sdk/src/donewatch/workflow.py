"""What an application calls: declare a workflow type, then say what happens to its instances."""

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ParamSpec, Self, TypeVar, Unpack

from donewatch import attributes as names
from donewatch.definition import Declaration, declare, load
from donewatch.fields import (
    Common,
    Name,
    Time,
    Value,
    nanoseconds,
    put_common,
    put_free_text,
    put_integer,
    put_text,
    put_time,
    text_of,
)
from donewatch.ids import uuid7
from donewatch.runtime import runtime

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _harmless(answer: _R) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Never raise into the caller, not even for a missing argument: what cannot become an event is
    counted as invalid and logged once, and ``answer`` returned."""

    def wrap(method: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(method)
        def emit(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            try:
                return method(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - that is the promise
                runtime.invalid(method.__name__, error)
                return answer

        return emit

    return wrap


class Workflow:
    """A workflow type, as this application knows it.

    The methods that emit return the event's id (empty if the arguments made no event); none of them
    blocks or raises. Every one of them takes, beside its own keywords, ``sequence`` (the instance's
    version after the change), ``business_key``, ``actor_type`` (user, system, operator, probe),
    ``actor_id``, ``reason``, ``event_id`` (makes the event idempotent; a UUIDv7 unless given),
    ``occurred_at`` (the commit time; now unless given) and ``attributes`` (the application's own).
    Times are a ``datetime`` with timezone, RFC 3339 text, ``int`` nanoseconds or ``float`` seconds
    since the Unix epoch.
    """

    def __init__(
        self,
        name: str,
        *,
        version: str = "",
        transitions: Iterable[Mapping[str, object]] | None = None,
        states: Iterable[object] | Mapping[str, object] | None = None,
    ) -> None:
        """Declare a workflow type. Without ``transitions`` it is observed, and nothing is judged
        here.

        :raises DefinitionError: the declaration has problems; tells all of them.
        """
        self._adopt(declare(name, version, transitions, states))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read the declaration from a definition file: ``.json``, or ``.yaml`` with
        ``donewatch[yaml]``.

        :raises DefinitionError: the file has problems; tells all of them.
        :raises ModuleNotFoundError: a YAML file without the extra.
        :raises OSError: the file cannot be read.
        """
        workflow = cls.__new__(cls)
        workflow._adopt(load(path))
        return workflow

    def _adopt(self, declaration: Declaration) -> None:
        self.name = declaration.workflow
        self.version = declaration.version
        self._edges = declaration.edges
        self._base: dict[str, Value] = {}
        put_text(self._base, names.WORKFLOW_TYPE, "workflow", self.name, required=True)
        put_text(self._base, names.WORKFLOW_VERSION, "version", self.version)

    def __repr__(self) -> str:
        return f"Workflow({self.name!r}, version={self.version!r})"

    def allows(self, from_: Name | None, to: Name, action: Name = "") -> bool:
        """Whether the transition is declared; without an action it is judged by its states alone.

        A workflow without declared transitions allows everything.
        """
        if self._edges is None:
            return True
        try:
            source = "" if from_ is None else text_of("from_", from_)
            return self._edges.declares(source, text_of("to", to), text_of("action", action))
        except ValueError:
            return False  # what is no name of a state is declared nowhere

    @_harmless(False)
    def guard(
        self,
        instance_id: Name,
        from_: Name | None,
        to: Name,
        *,
        action: Name = "",
        key: str = "",
        error_type: str = "",
        **common: Unpack[Common],
    ) -> bool:
        """Whether the transition is allowed; if not, the rejected attempt is emitted."""
        if self.allows(from_, to, action):
            return True
        self.transition(
            instance_id,
            from_,
            to,
            action=action,
            key=key,
            outcome="rejected",
            rejection="structural",
            error_type=error_type,
            **common,
        )
        return False

    @_harmless("")
    def transition(
        self,
        instance_id: Name,
        from_: Name | None,
        to: Name,
        *,
        action: Name = "",
        key: str = "",
        outcome: str = "committed",
        rejection: str = "",
        class_: str = "normal",
        entered_at: Time | None = None,
        error_type: str = "",
        **common: Unpack[Common],
    ) -> str:
        """Say that an instance moved, or tried to, from one state to another.

        ``None`` or an empty ``from_`` is creation. ``key`` makes the transition idempotent (entity
        + source event + target). ``entered_at``: when the ``from_`` state was entered, if known. An
        edge declared with a ``class`` has that class, unless another than ``normal`` is given.
        """
        event = self._event(instance_id)
        put_text(event, names.TRANSITION_FROM, "from_", from_)
        put_text(event, names.TRANSITION_TO, "to", to, required=True)
        put_text(event, names.TRANSITION_ACTION, "action", action)
        put_text(event, names.TRANSITION_KEY, "key", key)
        put_text(
            event,
            names.TRANSITION_OUTCOME,
            "outcome",
            outcome or "committed",
            choices=names.OUTCOMES,
        )
        put_text(
            event, names.TRANSITION_REJECTION, "rejection", rejection, choices=names.REJECTIONS
        )
        if class_ in ("", "normal"):
            class_ = self._class_of(event)
        put_text(event, names.TRANSITION_CLASS, "class_", class_, choices=names.CLASSES)
        put_time(event, names.TRANSITION_ENTERED_AT, "entered_at", entered_at)
        put_free_text(event, names.ERROR_TYPE, "error_type", error_type)
        return self._emit(names.TRANSITION, event, common)

    @_harmless("")
    def job(
        self,
        instance_id: Name,
        job_id: Name,
        state: str,
        *,
        type: str = "",  # noqa: A002 - the attribute is donewatch.job.type
        queue: str = "",
        attempt: int | None = None,
        max_attempts: int | None = None,
        scheduled_at: Time | None = None,
        effect_key: str = "",
        cause_key: str = "",
        basis_sequence: int | None = None,
        error_type: str = "",
        **common: Unpack[Common],
    ) -> str:
        """Say what became of asynchronous work done for an instance.

        ``state`` is enqueued, started, succeeded, failed, exhausted or cancelled. ``effect_key`` is
        the business key of the side effect, ``cause_key`` the key of the transition that caused the
        job, ``basis_sequence`` the instance's version it acted on.
        """
        event = self._event(instance_id)
        put_text(event, names.JOB_ID, "job_id", job_id, required=True)
        put_text(event, names.JOB_STATE, "state", state, required=True, choices=names.JOB_STATES)
        put_text(event, names.JOB_TYPE, "type", type)
        put_text(event, names.JOB_QUEUE, "queue", queue)
        put_integer(event, names.JOB_ATTEMPT, "attempt", attempt)
        put_integer(event, names.JOB_MAX_ATTEMPTS, "max_attempts", max_attempts)
        put_time(event, names.JOB_SCHEDULED_AT, "scheduled_at", scheduled_at)
        put_text(event, names.JOB_EFFECT_KEY, "effect_key", effect_key)
        put_text(event, names.JOB_CAUSE_KEY, "cause_key", cause_key)
        put_integer(event, names.JOB_BASIS_SEQUENCE, "basis_sequence", basis_sequence)
        put_free_text(event, names.ERROR_TYPE, "error_type", error_type)
        return self._emit(names.JOB, event, common)

    @_harmless("")
    def outbox(
        self,
        instance_id: Name,
        outbox_id: Name,
        state: str,
        *,
        transition_key: str = "",
        error_type: str = "",
        **common: Unpack[Common],
    ) -> str:
        """Say what became of an outbox record: recorded (in the transaction of its transition),
        dispatched, acknowledged, failed or discarded."""
        event = self._event(instance_id)
        put_text(event, names.OUTBOX_ID, "outbox_id", outbox_id, required=True)
        put_text(
            event, names.OUTBOX_STATE, "state", state, required=True, choices=names.OUTBOX_STATES
        )
        put_text(event, names.OUTBOX_TRANSITION_KEY, "transition_key", transition_key)
        put_free_text(event, names.ERROR_TYPE, "error_type", error_type)
        return self._emit(names.OUTBOX, event, common)

    @_harmless("")
    def visible(self, instance_id: Name, **common: Unpack[Common]) -> str:
        """Say that the read model shows the completion: the user can see it."""
        return self._emit(names.VISIBLE, self._event(instance_id), common)

    def _event(self, instance_id: Name) -> dict[str, Value]:
        event = self._base.copy()
        put_text(event, names.INSTANCE_ID, "instance_id", instance_id, required=True)
        return event

    def _class_of(self, event: Mapping[str, Value]) -> str:
        if self._edges is None:
            return "normal"
        return self._edges.class_of(
            str(event.get(names.TRANSITION_FROM, "")),
            str(event[names.TRANSITION_TO]),
            str(event.get(names.TRANSITION_ACTION, "")),
        )

    def _emit(self, name: str, event: dict[str, Value], common: Common) -> str:
        put_common(event, common)
        put_text(event, names.EVENT_ID, "event_id", common.get("event_id") or uuid7())
        occurred_at = common.get("occurred_at")
        moment = time.time_ns() if occurred_at is None else nanoseconds("occurred_at", occurred_at)
        runtime.emit(name, event, moment)
        return str(event[names.EVENT_ID])

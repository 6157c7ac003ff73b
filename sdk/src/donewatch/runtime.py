"""What this process has of donewatch: its settings, its pipeline, its account, and its end."""

import atexit
import dataclasses
import os
import sys
import threading
from collections.abc import Mapping

from donewatch.complaints import Complaints
from donewatch.fields import InvalidEventError, Value
from donewatch.ids import uuid7
from donewatch.ledger import Ledger, Reason, Stats, total
from donewatch.pipeline import Pipeline
from donewatch.settings import Settings, from_environment, logs_url


class Runtime:
    """The state behind the module's functions, one per process.

    A pipeline is started by the first event, so a process that forks before it emits has no
    threads. After a fork the child begins anew: threads, connections and locks of the parent are
    none of its own.
    """

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._pipeline: Pipeline | None = None
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._inherited = self._pipeline
        self._pipeline = None
        self._lock = threading.RLock()
        self._starting = False
        self._obstacle: Reason | None = None
        self._entry = Ledger()  # of events that never had a pipeline
        self._ledgers = [self._entry]
        self._producer = ""
        self._complaints = Complaints()

    def configure(self, settings: Settings) -> None:
        """Use other settings from the next event on; what is queued is sent under the old ones."""
        with self._lock:
            pipeline, self._pipeline = self._pipeline, None
            self._settings = settings
            self._obstacle = None
        if pipeline is not None:
            pipeline.close(settings.exit_timeout)

    def emit(self, name: str, event: Mapping[str, Value], moment: int) -> None:
        """Hand an event on; never raises, never blocks."""
        pipeline = self._pipeline or self._start()
        if pipeline is not None:
            pipeline.emit(name, event, moment)
        else:
            self._turn_away(self._obstacle or Reason.ERROR)

    def invalid(self, method: str, error: Exception) -> None:
        """Count a call that made no event, and say so once for each argument."""
        self._turn_away(Reason.INVALID)
        kind = error.argument if isinstance(error, InvalidEventError) else type(error).__name__
        self._complaints.say(
            f"{method} {kind}", "donewatch dropped an event: Workflow.%s: %s", method, error
        )

    def flush(self, timeout: float) -> bool:
        """See :func:`flush`."""
        pipeline = self._pipeline
        return True if pipeline is None else pipeline.flush(timeout)

    def shutdown(self, timeout: float | None = None) -> bool:
        """See :func:`shutdown`."""
        with self._lock:
            pipeline = self._pipeline
            if pipeline is None:
                self._obstacle = self._obstacle or Reason.SHUTDOWN
                return True
        return pipeline.close(pipeline.exit_timeout if timeout is None else timeout)

    def exit_timeout(self) -> float:
        """How long the end of the process may be held up, in seconds."""
        pipeline = self._pipeline
        return 0.0 if pipeline is None else pipeline.exit_timeout

    def stats(self) -> Stats:
        """See :func:`stats`."""
        return total([ledger.stats() for ledger in self._ledgers])

    def _turn_away(self, reason: Reason) -> None:
        self._entry.emitted.add()
        self._entry.turn_away(reason)

    def _start(self) -> Pipeline | None:
        with self._lock:
            # A signal handler may emit while this very thread is starting: that event has no
            # pipeline yet.
            if self._pipeline is not None or self._obstacle is not None or self._starting:
                return self._pipeline
            self._starting = True
            try:
                settings = self._settings or from_environment()
                if settings.disabled:
                    self._obstacle = Reason.DISABLED
                    return None
                self._producer = self._producer or uuid7()
                pipeline = Pipeline(
                    settings, self._producer, self.stats, self._complaints, self._leave_inherited
                )
                self._ledgers.append(pipeline.ledger)
                self._pipeline = pipeline
                self._end_with_process()
            except Exception as error:  # noqa: BLE001 - never into the caller
                self._obstacle = Reason.ERROR
                self._complaints.say(
                    "start", "donewatch cannot work, all events are lost: %s", error
                )
            finally:
                self._starting = False
            return self._pipeline

    def _leave_inherited(self) -> None:
        inherited, self._inherited = self._inherited, None
        if inherited is not None:
            inherited.abandon()

    def _end_with_process(self) -> None:
        """A child of ``multiprocessing`` leaves through ``os._exit`` and runs no ``atexit``
        functions, but it runs its finalizers: those registered in the child itself, so this is the
        earliest moment."""
        process = sys.modules.get("multiprocessing.process")
        util = sys.modules.get("multiprocessing.util")
        if process is not None and util is not None and process.parent_process() is not None:
            util.Finalize(None, self.shutdown, exitpriority=-100)


runtime = Runtime()
atexit.register(runtime.shutdown)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=runtime._begin_anew)


def configure(
    *,
    endpoint: str | None = None,
    token: str | None = None,
    service_name: str | None = None,
    service_version: str | None = None,
    environment: str | None = None,
    queue_size: int | None = None,
    batch_size: int | None = None,
    schedule_delay: float | None = None,
    export_timeout: float | None = None,
    retry_timeout: float | None = None,
    exit_timeout: float | None = None,
    heartbeat_interval: float | None = None,
    resource_attributes: Mapping[str, str | int | float | bool] | None = None,
) -> None:
    """Set where events go. Optional: what is not given comes from the environment, and nothing is
    started before the first event. Durations in seconds.

    :param endpoint: of the collector, ``http://127.0.0.1:4318`` by default.
    :param token: sent as ``Authorization: Bearer``.
    :param queue_size: events that may wait; more are dropped and counted.
    :param batch_size: events in one request.
    :param schedule_delay: how long an event waits for company.
    :param export_timeout: of one attempt to send.
    :param retry_timeout: how long a batch is tried again while the endpoint is away.
    :param exit_timeout: how long the end of the process may be held up to send what is queued.
    :param heartbeat_interval: 0 for none.
    :param resource_attributes: further OpenTelemetry attributes of this process.
    :raises ValueError: a value is out of range.
    """
    base = from_environment()
    given = {
        "endpoint": None if endpoint is None else logs_url(endpoint),
        "token": token,
        "service_name": service_name,
        "service_version": service_version,
        "environment": environment,
        "queue_size": queue_size,
        "batch_size": batch_size,
        "schedule_delay": schedule_delay,
        "export_timeout": export_timeout,
        "retry_timeout": retry_timeout,
        "exit_timeout": exit_timeout,
        "heartbeat_interval": heartbeat_interval,
    }
    settings = dataclasses.replace(
        base,
        **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
        resource_attributes={**base.resource_attributes, **(resource_attributes or {})},
    )
    if settings.batch_size > settings.queue_size:
        settings = dataclasses.replace(settings, batch_size=settings.queue_size)
    runtime.configure(settings)


def flush(timeout: float = 10.0) -> bool:
    """Wait until every event emitted so far has been accepted or counted as lost.

    Blocks the caller, at most ``timeout`` seconds; in a coroutine, use ``asyncio.to_thread``. False
    if time ran out: what is still queued stays queued.
    """
    return runtime.flush(timeout)


def shutdown(timeout: float | None = None) -> bool:
    """Send what is queued, for at most ``timeout`` seconds (the exit timeout unless given), then
    stop.

    Called at exit by itself. False if time ran out: what was left is counted as ``unsent``. Events
    emitted afterwards are counted as dropped, until :func:`configure` is called again.
    """
    return runtime.shutdown(timeout)


def stats() -> Stats:
    """What became of the events of this process."""
    return runtime.stats()

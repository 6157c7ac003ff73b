"""From an event to the endpoint: one LoggerProvider of our own, OpenTelemetry's batch processor,
and an account of everything that passes."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from itertools import repeat

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk._logs import LoggerProvider, LogRecordLimits
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from donewatch import __version__
from donewatch import attributes as names
from donewatch.complaints import Complaints
from donewatch.exporter import CountingExporter
from donewatch.fields import Value
from donewatch.heartbeat import Heart
from donewatch.ids import uuid7
from donewatch.ledger import Ledger, Reason, Stats
from donewatch.settings import Settings

_HEARTBEAT_ROOM = 2  # places of the queue kept for heartbeats: drops are reported while it is full
_MINUTE = 60.0


class Pipeline:
    """One way to one endpoint, from its start to its end.

    The queue never overflows, because an event enters only with one of as many tokens as there are
    places: OpenTelemetry's processor would overwrite the oldest in silence.

    :raises RuntimeError: no thread can be started (the interpreter is exiting).
    """

    def __init__(
        self,
        settings: Settings,
        producer: str,
        totals: Callable[[], Stats],
        complaints: Complaints,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        """``totals`` counts for the heartbeats; ``begin`` is run beside the callers, once."""
        self.ledger = Ledger()
        self.exit_timeout = settings.exit_timeout
        self._settings = settings
        self._producer = producer
        self._totals = totals
        self._complaints = complaints
        self._closed = False  # nothing more is taken
        self._ended = False  # nothing more is sent either
        self._tokens: deque[None] = deque(repeat(None, settings.queue_size))
        self._heartbeat_tokens: deque[None] = deque(repeat(None, _HEARTBEAT_ROOM))
        self._exporter = CountingExporter(settings, self.ledger, complaints, self._taken)
        self._processor = BatchLogRecordProcessor(
            self._exporter,
            schedule_delay_millis=settings.schedule_delay * 1000,
            max_export_batch_size=settings.batch_size,
            max_queue_size=settings.queue_size + _HEARTBEAT_ROOM,
            meter_provider=NoOpMeterProvider(),
        )
        # The application may have set OTEL_ATTRIBUTE_*_LIMIT for its spans; ids must not be cut by
        # it.
        unlimited = LogRecordLimits(
            max_attributes=LogRecordLimits.UNSET,
            max_attribute_length=LogRecordLimits.UNSET,
            max_log_record_attributes=LogRecordLimits.UNSET,
            max_log_record_attribute_length=LogRecordLimits.UNSET,
        )
        provider = LoggerProvider(
            resource=_resource(settings),
            shutdown_on_exit=False,  # it would wait longer than we may
            meter_provider=NoOpMeterProvider(),
            log_record_limits=unlimited,
        )
        provider.add_log_record_processor(self._processor)
        self._logger = provider.get_logger("donewatch", __version__)
        self._pusher: threading.Thread | None = None
        self._heart = Heart(settings.heartbeat_interval, begin, self._beat, self._finish)
        self._heart.start()

    def emit(self, name: str, event: Mapping[str, Value], moment: int) -> None:
        """Queue an event, or count why not. ``moment`` in nanoseconds since the Unix epoch.

        Takes no lock that anyone holds while sending or waiting.
        """
        ledger = self.ledger
        ledger.emitted.add()
        if self._closed:
            ledger.turn_away(Reason.SHUTDOWN)
            return
        try:
            self._tokens.pop()
        except IndexError:
            ledger.turn_away(Reason.QUEUE_FULL)
            self._complaints.say(
                "queue_full",
                "donewatch drops events: all %d places of its queue are taken",
                self._settings.queue_size,
                every=_MINUTE,
            )
            return
        ledger.admitted.add()
        try:
            self._logger.emit(
                timestamp=moment,
                observed_timestamp=time.time_ns(),
                attributes=event,
                event_name=name,
            )
        except Exception as error:  # noqa: BLE001 - never into the caller
            self._tokens.append(None)
            ledger.settle(0, {Reason.ERROR: 1})
            self._complaints.say("error", "donewatch lost an event: %r", error, every=_MINUTE)
        if self._ended:
            ledger.close()  # ended meanwhile: nobody else will count this one

    def flush(self, timeout: float) -> bool:
        """Wait until what was emitted before is settled; False if that took longer than
        ``timeout``."""
        admitted = self.ledger.admitted.value()
        self._push()
        return self.ledger.wait_settled(admitted, max(0.0, timeout))

    def close(self, timeout: float) -> bool:
        """Send what is queued, for at most ``timeout`` seconds, then stop. False if that was too
        short."""
        self._closed = True
        done = self._heart.stop(max(0.0, timeout))
        if not done:
            self._exporter.shutdown()
        self._ended = True
        if unsent := self.ledger.close():
            self._complaints.say(
                "unsent", "donewatch lost %d events: not sent within %g s", unsent, timeout
            )
        return done

    def abandon(self) -> None:
        """In a forked child: end the thread that OpenTelemetry started here for the parent's
        queue."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]

    def _push(self) -> None:
        """Have the queue sent now. Not by the caller itself: OpenTelemetry's flush knows no
        timeout."""
        pusher = self._pusher
        if pusher is not None and pusher.is_alive():
            return
        self._pusher = threading.Thread(
            target=self._processor.force_flush, name="donewatch-flush", daemon=True
        )
        try:
            self._pusher.start()
        except RuntimeError:
            # The interpreter is exiting and starts no threads: the processor's own timer comes
            # soon.
            self._pusher = None

    def _taken(self, events: int, heartbeats: int) -> None:
        self._tokens.extend(repeat(None, events))
        self._heartbeat_tokens.extend(repeat(None, heartbeats))

    def _beat(self) -> None:
        try:
            self._heartbeat_tokens.pop()
        except IndexError:
            return  # the last ones still wait; the next one will say more
        totals = self._totals()
        now = time.time_ns()
        self._logger.emit(
            timestamp=now,
            observed_timestamp=now,
            attributes={
                names.EVENT_ID: uuid7(now),
                names.HEARTBEAT_PRODUCER: self._producer,
                names.HEARTBEAT_EMITTED: totals.emitted,
                names.HEARTBEAT_DROPPED: totals.dropped,
            },
            event_name=names.HEARTBEAT,
        )

    def _finish(self) -> None:
        self._processor.force_flush()
        # Only now is it known what was dropped.
        if self._totals().dropped:
            self._beat()
        self._processor.shutdown()  # type: ignore[no-untyped-call]


def _resource(settings: Settings) -> Resource:
    """What describes this process. OpenTelemetry's detectors are left out: some ask the network."""
    described = {
        names.SERVICE_NAME: settings.service_name,
        names.SERVICE_VERSION: settings.service_version,
        names.ENVIRONMENT: settings.environment,
        **settings.resource_attributes,
    }
    return Resource({key: value for key, value in described.items() if value != ""})

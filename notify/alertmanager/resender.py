"""One Alertmanager, told again and again of everything that fires.

Alertmanager forgets an alert that is not sent again, and it may restart with nothing. So it is not
told of changes but of the whole present, at an interval and right after each change. Prometheus
does the same, and goes on for 15 minutes with what is resolved, in case the one message was lost.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx

from notify.alertmanager.alerts import alert_body
from notify.http import name_of, post_json
from notify.notification import DeliveryError, Notification

RESEND: Final = 30.0  # seconds
RESOLVED_FOR: Final = 900.0  # seconds for which a resolved alert is sent again
BATCH: Final = 256  # alerts in one request


@dataclass(slots=True)
class AlertmanagerStats:
    """Counts since the start, and what is wrong now (empty: nothing)."""

    sent: int = 0
    failed_attempts: int = 0
    refused: int = 0  # requests that it found wrong
    last_error: str = ""


class Alertmanager:
    """Sends what ``current`` gives (firing, and resolved of late) until cancelled.

    ``told(receiver, fingerprint, episode)`` is called for each alert that it took. A firing alert
    is valid for four times ``resend`` (seconds), at least a minute: while donewatch cannot see, it
    is still current and so sent on.
    """

    def __init__(
        self,
        url: str,
        client: httpx.AsyncClient,
        *,
        current: Callable[[], Sequence[Notification]],
        told: Callable[[str, str, str], object],
        clock: Callable[[], datetime],
        name: str = "",
        resend: float = RESEND,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._url = url.rstrip("/") + "/api/v2/alerts"
        self._client = client
        self._current = current
        self._told = told
        self._clock = clock
        self._name = name or name_of("alertmanager", url)
        self._resend = resend
        self._sleep = sleep
        self._jitter = jitter
        self._changed = asyncio.Event()
        self.stats = AlertmanagerStats()

    @property
    def name(self) -> str:
        """Unique among the receivers."""
        return self._name

    @property
    def valid_for(self) -> float:
        """Seconds that a firing alert lives without being sent again."""
        return max(4 * self._resend, 60.0)

    def wake(self) -> None:
        """Something changed: send now. Call it on the event loop."""
        self._changed.set()

    async def run(self) -> None:
        """Send until cancelled."""
        failures = 0
        while True:
            self._changed.clear()
            try:
                await self.send_all()
                failures = 0
            except DeliveryError as error:
                self.stats.failed_attempts += 1
                self.stats.last_error = str(error)
                # It is away: changes do not hurry us, the next attempt sends the present anyway.
                wait = min(2.0 ** min(failures, 10), self._resend)
                failures += 1
                await self._sleep(wait * (0.5 + self._jitter() / 2))
                continue
            await self._pause()

    async def _pause(self) -> None:
        """Until the next round is due, or something changed."""
        timer = asyncio.ensure_future(self._sleep(self._resend))
        change = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((timer, change), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            change.cancel()
            await asyncio.gather(timer, change, return_exceptions=True)

    async def send_all(self) -> None:
        """Send the present once.

        :raises DeliveryError: temporary; whatever was not sent will be with the next round.
        """
        now = self._clock()
        alerts = [each for each in self._current() if self._fresh(each, now)]
        for start in range(0, len(alerts), BATCH):
            await self._send(alerts[start : start + BATCH], now)

    def _fresh(self, alert: Notification, now: datetime) -> bool:
        if alert.status == "firing":
            return True
        return alert.ends_at is not None and (now - alert.ends_at).total_seconds() <= RESOLVED_FOR

    async def _send(self, alerts: list[Notification], now: datetime) -> None:
        body = [alert_body(alert, now, self.valid_for) for alert in alerts]
        try:
            await post_json(self._client, self._url, body)
        except DeliveryError as error:
            if not error.permanent:
                raise
            # It has taken those that it found right (api/v2: valid ones are stored before the
            # 400 is answered), so the others are not held up; nor is a later round.
            self.stats.refused += 1
            self.stats.last_error = str(error)
            return
        self.stats.sent += len(alerts)
        self.stats.last_error = ""
        for alert in alerts:
            self._told(self._name, alert.fingerprint, alert.episode)

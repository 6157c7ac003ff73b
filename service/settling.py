"""Settling behind the servers of a process: again and again, as often as it is cheap."""

import asyncio
import contextlib
import logging
import os
import socket
import time
import uuid
from collections.abc import AsyncIterator
from typing import Final

from collector.spool import failpoint
from lifecycle.errors import StoreError
from service.background import background
from service.clock import now
from store import Database
from store.connection import Bounds
from store.settling import Claimed, Pace, Settler

_LOG: Final = logging.getLogger(__name__)
_BOUNDS: Final = Bounds(seconds=25, memory=8 * 2**30)  # of one statement
_SHARE: Final = 9.0  # it rests so many times as long as it has worked
_BETWEEN_TIDYING: Final = 60.0  # seconds
_LONGEST: Final = 15.0  # seconds of rest at most


class Settling:
    """Keeps the live tables up to date; where another process does so already, it waits."""

    def __init__(self, database: Database, interval: float, *, grace: float) -> None:
        """``interval``: seconds of rest at least; ``grace`` as in ``Pace``."""
        name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._settler = Settler(
            database.connect(_BOUNDS),
            # embedded data have no other process that could settle them
            name="" if database.location.embedded else name,
            pace=Pace(grace=grace, between_departures=grace / 10),
            reach=lambda step: failpoint.reach(f"settle-{step}"),
        )
        self._interval = interval
        self._tidied_at = time.monotonic()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Settle until the block is left."""
        async with background(self.run()):
            yield

    async def _tidy(self) -> None:
        if time.monotonic() < self._tidied_at + _BETWEEN_TIDYING:
            return
        self._tidied_at = time.monotonic()
        try:
            await asyncio.to_thread(self._settler.tidy)
        except StoreError as error:
            _LOG.warning("what departed is not swept out: %s", error)

    async def run(self) -> None:
        """Settle until cancelled; while the store is away the watermark stands."""
        away = False
        while True:
            began = time.monotonic()
            behind = False
            try:
                settlement = await asyncio.to_thread(self._settler.settle, now())
                behind = settlement.behind
                away = False
            except Claimed as other:
                _LOG.debug("%s", other)
            except StoreError as error:
                if not away:
                    _LOG.warning("nothing is settled: %s", error)
                away = True
            await self._tidy()
            worked = time.monotonic() - began
            if not behind:
                await asyncio.sleep(min(_LONGEST, max(self._interval, _SHARE * worked)))

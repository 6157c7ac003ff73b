"""Work that goes on behind the servers of a process."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

_LOG: Final = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these until the block is left; an error of one is logged, and ends that one alone."""
    tasks = [asyncio.create_task(each) for each in work]
    for task in tasks:
        task.add_done_callback(_told)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _told(task: "asyncio.Task[None]") -> None:
    # at once: by the time the process ends it is too late to know
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.error("%s ended with an error", task.get_coro(), exc_info=error)

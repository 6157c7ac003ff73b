"""From an accepted body to the store: on local disk first, so that nothing acknowledged is lost."""

from collector.spool import failpoint
from collector.spool.errors import Overloaded, SpoolUnavailable
from collector.spool.sink import Sink
from collector.spool.spool import Spool
from collector.spool.tally import Counts, Unwatched, Watch

__all__ = [
    "Counts",
    "Overloaded",
    "Sink",
    "Spool",
    "SpoolUnavailable",
    "Unwatched",
    "Watch",
    "failpoint",
]

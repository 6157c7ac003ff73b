"""How much the collector takes, per request and in all."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes, times in seconds, the rest are counts.

    A decoded body takes up to seventy times its size in memory (millions of empty records), so the
    defaults of the first two stay small; a usual batch of 512 records has 0.2 MB.
    """

    body: int = 8 * 2**20  # as sent
    inflated: int = 8 * 2**20  # after decompression
    buffered: int = 64 * 2**20  # of all bodies being received at once
    drained: int = 32 * 2**20  # read on of a body already refused, so that its sender hears why
    body_seconds: float = 30.0  # a body must have arrived within
    records: int = 50_000  # in one request
    attributes: int = 128  # further attributes of one event
    attributes_bytes: int = 65_536  # of these together, as JSON
    depth: int = 16  # of nested values in them
    raw: int = 4_096  # kept of each refused record
    refusals_kept: int = 100  # refused records of one request that are stored; all are counted
    threaded: int = 65_536  # bodies above are decoded in a worker thread
    batch_rows: int = 50_000  # of one insert, unless one request has more
    pending_rows: int = 100_000  # received, not yet stored; above, producers are told to wait
    pending_refusals: int = 10_000  # waiting to be stored; above, they are counted only
    retry_delays: tuple[float, ...] = (0.1, 0.4, 1.6)  # between attempts at one insert
    store_seconds: float = (
        8.0  # a request waits for its events to be stored; exporters give up at 10
    )
    retry_after: int = 2  # what a producer that came too early is told to wait
    resend_seconds: float = 30.0  # within which producers send again what was not stored

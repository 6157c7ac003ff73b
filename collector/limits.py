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
    alone_bytes: int = 8_192  # bodies below need no engine while nothing else waits
    window_records: int = 50  # fewer are decoded in Python: the engine takes 1.5 ms in any case
    window_bytes: int = 4 * 2**20  # of bodies decoded by the engine together, but for the first
    engine_seconds: float = 5.0  # it may take; then they are decoded in Python
    waiting_bytes: int = 64 * 2**20  # decoded, not yet written to disk
    spool_bytes: int = 2 * 2**30  # on disk, not yet in the store
    free_bytes: int = 256 * 2**20  # that the disk must have left
    segment_rows: int = 50_000  # of one insert, unless one request has more
    segment_bytes: int = 32 * 2**20  # likewise
    seal_seconds: float = 0.25  # a segment waits for more rows, from its first one
    retry_first: float = 0.1  # before the second attempt at one insert; then longer and longer
    retry_longest: float = 5.0
    drain_seconds: float = 10.0  # that stopping waits for the store to take what is on disk
    store_seconds: float = 8.0  # a request waits for its events to be kept; exporters give up at 10
    retry_after: int = 2  # what a producer that came too early is told to wait
    resend_seconds: float = 30.0  # within which producers send again what was not kept

"""What can be chosen about the API and the pages."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Durations in seconds.

    ``external_url`` is how browsers reach us (``https://donewatch.example``; empty: as asked),
    ``otlp_url`` is what applications send to; the snippets of empty pages name it.
    ``allowed_hosts``, when given, are the only ``Host`` names answered: it is what keeps a hostile
    web page from reading a loopback service by DNS rebinding.
    """

    version: str = "0"
    external_url: str = ""
    otlp_url: str = "http://127.0.0.1:4318"
    allowed_hosts: tuple[str, ...] = ()
    refresh: float = 5.0  # pages ask again this often
    status_poll: float = 0.5  # a long poll looks again this often, at first
    status_waiters: int = 256  # long polls at once; beyond it they are answered at once
    stream_poll: float = 1.0  # the event stream looks again this often
    stream_listeners: int = 16  # at once; each costs a query a poll
    stream_heartbeat: float = 15.0  # a quiet stream says that it lives this often
    stream_patience: float = 10.0  # the stream waits so long for a watermark that stands
    readiness_timeout: float = 5.0
    metrics_window: float = 3600.0
    metrics_max_age: float = 15.0  # figures are computed at most this often for /metrics
    metrics_series: int = 2000  # of one metric; the rest is counted, not exposed

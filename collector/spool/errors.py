"""Why events are not taken just now; producers are told to send them again later."""

from lifecycle.errors import DonewatchError


class Overloaded(DonewatchError):
    """Too much waits to be stored; it becomes less by itself."""


class SpoolUnavailable(DonewatchError):
    """Nothing can be kept safely: the disk fails or is full, or the collector is stopping."""

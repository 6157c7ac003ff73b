"""Spools as they are now where they are this process's own, as last told where they are not."""

from collections.abc import Callable, Sequence
from typing import Any

from api.ports import CollectorView
from lifecycle.errors import StoreUnavailable
from store import TenantStore

_QUESTION = "spools"


class SpoolsSeen:
    """A tenant's questions to the store, of which ``spools`` is answered while it is away as well.

    That is when spools fill. What other collectors told last stands until they can tell again.
    """

    def __init__(self, store: TenantStore, own: Callable[[], Sequence[CollectorView]]) -> None:
        self._store = store
        self._own = own
        self._told: dict[str, dict[str, Any]] = {}

    def __call__(self, name: str, /, **parameters: Any) -> list[dict[str, Any]]:
        """As ``TenantStore.query``."""
        if name != _QUESTION:
            return self._store.query(name, **parameters)
        own = {each.collector: _row(each) for each in self._own()}
        try:
            stored = self._store.query(name, **parameters)
            self._told = {row["collector"]: row for row in stored}
        except StoreUnavailable:
            if not own:
                raise
        return list({**self._told, **own}.values())


def _row(view: CollectorView) -> dict[str, Any]:
    return {
        "collector": view.collector,
        "pending": view.pending,
        "pending_bytes": view.pending_bytes,
        "limit_bytes": view.limit_bytes,
    }

"""Settlements: from events that collectors have stored to what is open now and what has been."""

from store.settling.claim import Claimed
from store.settling.settlement import Settlement, last_settlement
from store.settling.settler import Pace, Settler

__all__ = ["Claimed", "Pace", "Settlement", "Settler", "last_settlement"]

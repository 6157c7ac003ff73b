"""Which of several processes settles: the first to claim a settlement's number has it."""

from datetime import datetime, timedelta
from typing import Final

from lifecycle.errors import DonewatchError
from store.connection import Connection, to_microseconds
from store.queries import query_text

# After so long a claim is void. Whoever has one begins no statement in its second half, and none
# may run for longer than that half.
LEASE: Final = timedelta(seconds=60)
_COLUMNS: Final = ("settlement", "attempt", "settler", "claimed_at")


class Claimed(DonewatchError):
    """Another process is at it."""


def claim(connection: Connection, number: int, settler: str, now: datetime) -> None:
    """Claim a settlement. The store drops all but the first insert of one attempt's token.

    :raises Claimed: another settler has it, and has not had it for too long.
    """
    for _ in range(3):
        rows = connection.query(query_text("settling/claims"), {"settlement": number})
        attempt = 1
        if rows:
            if rows[0]["settler"] == settler:
                return
            if abs(now - rows[0]["claimed_at"]) < LEASE:
                raise Claimed(f"settlement {number} is claimed by {rows[0]['settler']}")
            attempt = rows[0]["attempt"] + 1
        values = (number, attempt, settler, to_microseconds(now))
        connection.insert(
            "settlement_claims",
            _COLUMNS,
            [[value] for value in values],
            f"claim-{number}-{attempt}",
        )
    raise Claimed(f"settlement {number} is claimed by others again and again")

"""Event ids: UUID version 7 (RFC 9562), which sort by the time they were made."""

import os
import time


def uuid7(now: int | None = None) -> str:
    """A new id. ``now`` in nanoseconds since the Unix epoch; the clock unless given.

    The twelve bits behind the milliseconds hold their fraction (RFC 9562, section 6.2, method 3),
    so ids of one process sort within a millisecond too. The rest is random from the operating
    system, which differs after a fork.
    """
    milliseconds, rest = divmod(time.time_ns() if now is None else now, 1_000_000)
    fraction = (rest << 12) // 1_000_000
    tail = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    digits = f"{milliseconds & 0xFFFF_FFFF_FFFF:012x}7{fraction:03x}{tail:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

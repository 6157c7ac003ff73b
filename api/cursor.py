"""Cursors: an opaque text that says after which item the next page begins."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from api.problems import bad_parameter
from api.shape import Page

T = TypeVar("T")


def encode(position: Sequence[str], scope: str) -> str:
    """Pack a position; ``scope`` names list and filters: a cursor fits only its own list."""
    text = json.dumps([_digest(scope), *position], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, scope: str) -> list[str]:
    """Unpack what ``encode`` packed.

    :raises Problem: it is no cursor of ours, or one of another list or other filters.
    """
    try:
        raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        digest, *position = json.loads(raw)
    except (binascii.Error, ValueError, TypeError):
        raise bad_parameter("cursor", "is not a cursor", "pass next_cursor unchanged") from None
    if digest != _digest(scope):
        detail = "belongs to another list or other filters"
        raise bad_parameter("cursor", detail, "begin again without a cursor")
    return [str(part) for part in position]


def cut(
    items: Sequence[T], key: Callable[[T], Sequence[str]], scope: str, limit: int, cursor: str
) -> Page[Any]:
    """One page of a short list that is in memory; ``key`` is unique and gives the order."""
    ordered = sorted(items, key=lambda item: list(key(item)))
    if cursor:
        after = decode(cursor, scope)
        ordered = [item for item in ordered if list(key(item)) > after]
    more = len(ordered) > limit
    shown = ordered[:limit]
    return Page(items=shown, next_cursor=encode(key(shown[-1]), scope) if more else None)


def _digest(scope: str) -> str:
    return hashlib.sha256(scope.encode()).hexdigest()[:12]

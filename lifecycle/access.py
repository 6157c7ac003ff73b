"""Who may do what, for which tenant: bearer tokens, kept as hashes only."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lifecycle.errors import DonewatchError

DEFAULT_TENANT: Final = "default"

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Scope(StrEnum):
    """What a token allows. None includes another."""

    INGEST = "ingest"  # send events
    READ = "read"  # everything shown
    ACT = "act"  # acknowledge, silence, operator actions
    ADMIN = "admin"  # settings, erasure


class AccessDenied(DonewatchError):
    """No or an unknown credential (``status`` 401), or one without the scope (403).

    ``challenge`` is the value of the header ``WWW-Authenticate`` (RFC 6750, section 3).
    """

    def __init__(self, status: int, message: str, challenge: str) -> None:
        self.status = status
        self.challenge = challenge
        super().__init__(message)


def hash_token(secret: str) -> str:
    """SHA-256 of a token, in hex: what is stored. Enough because tokens are random, not chosen."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Token:
    """One credential: the SHA-256 of its text in hex, its tenant, what it allows.

    :raises ValueError: not a hash, no tenant, no scope or an unknown one.
    """

    hash: str
    tenant: str
    scopes: frozenset[str]

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.hash):
            raise ValueError(
                "a token is stored as its SHA-256 in 64 lowercase hex digits, for example from:"
                " printf %s TOKEN | sha256sum"
            )
        if not self.tenant:
            raise ValueError("a token needs a tenant")
        known = {scope.value for scope in Scope}
        if not self.scopes or not self.scopes <= known:
            given = ", ".join(sorted(self.scopes)) or "none"
            raise ValueError(f"scopes of a token are some of {', '.join(Scope)}; given: {given}")


class Access:
    """All tokens. Without any, everything is allowed, as tenant ``default``: bind to loopback."""

    def __init__(self, tokens: Iterable[Token] = ()) -> None:
        self._tokens = tuple((bytes.fromhex(token.hash), token) for token in tokens)

    @property
    def open(self) -> bool:
        """Whether no token is configured, so that nobody has to show one."""
        return not self._tokens

    def authenticate(self, header: str | None, scope: str) -> str:
        """The tenant that an ``Authorization`` header stands for.

        :raises AccessDenied: 401 without a known token, 403 if it lacks ``scope``.
        """
        if not self._tokens:
            return DEFAULT_TENANT
        realm = f'Bearer realm="donewatch", scope="{scope}"'
        if not header:
            raise AccessDenied(
                401, "no credential; send the header Authorization: Bearer TOKEN", realm
            )
        scheme, _, secret = header.partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret:
            raise AccessDenied(
                401, "the header Authorization must read: Bearer TOKEN", f"{realm}, {_INVALID}"
            )
        sent = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
        found: Token | None = None
        # Every token is compared, in constant time: how long it takes tells nothing about any
        for digest, token in self._tokens:
            if hmac.compare_digest(digest, sent):
                found = token
        if found is None:
            raise AccessDenied(401, "this token is not known here", f"{realm}, {_INVALID}")
        if scope not in found.scopes:
            raise AccessDenied(
                403,
                f"this token lacks the scope {scope}; it has {', '.join(sorted(found.scopes))}",
                f'{realm}, error="insufficient_scope"',
            )
        return found.tenant


_INVALID: Final = 'error="invalid_token"'

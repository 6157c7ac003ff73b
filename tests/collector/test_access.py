"""Bearer tokens: who may do what, for which tenant."""

import pytest

from lifecycle.access import Access, AccessDenied, Scope, Token, hash_token

TOKENS = [
    Token(hash_token("s3cret"), "acme", frozenset({"ingest"})),
    Token(hash_token("über"), "globex", frozenset(Scope)),
]


@pytest.mark.parametrize("header", [None, "", "Bearer whatever", "nonsense"])
@pytest.mark.parametrize("scope", Scope)
def test_without_tokens_everything_is_allowed(header: str | None, scope: Scope) -> None:
    access = Access()
    assert access.open
    assert access.authenticate(header, scope) == "default"


@pytest.mark.parametrize(
    ("header", "scope", "tenant"),
    [
        ("Bearer s3cret", "ingest", "acme"),
        ("bearer  s3cret ", Scope.INGEST, "acme"),
        ("Bearer über", "admin", "globex"),
    ],
)
def test_a_token_stands_for_its_tenant(header: str, scope: str, tenant: str) -> None:
    assert not Access(TOKENS).open
    assert Access(TOKENS).authenticate(header, scope) == tenant


@pytest.mark.parametrize(
    ("header", "scope", "status", "challenge"),
    [
        pytest.param(None, "read", 401, 'scope="read"', id="none"),
        pytest.param("Bearer ", "read", 401, "invalid_token", id="empty"),
        pytest.param("Bearer s3cre", "ingest", 401, "invalid_token", id="a part"),
        pytest.param("Bearer s3cret2", "ingest", 401, "invalid_token", id="longer"),
        pytest.param("Basic s3cret", "ingest", 401, "invalid_token", id="another scheme"),
        pytest.param(f"Bearer {hash_token('s3cret')}", "ingest", 401, "invalid", id="the hash"),
        pytest.param("Bearer \udcff", "ingest", 401, "invalid_token", id="undecodable"),
        pytest.param("Bearer s3cret", "read", 403, "insufficient_scope", id="another scope"),
    ],
)
def test_who_is_denied_is_told_why(
    header: str | None, scope: str, status: int, challenge: str
) -> None:
    with pytest.raises(AccessDenied) as denied:
        Access(TOKENS).authenticate(header, scope)
    assert denied.value.status == status
    assert challenge in denied.value.challenge
    assert "s3cret" not in str(denied.value)


@pytest.mark.parametrize(
    ("text", "tenant", "scopes", "error"),
    [
        pytest.param("s3cret", "t", {"read"}, "SHA-256", id="the token instead of its hash"),
        pytest.param(hash_token("x").upper(), "t", {"read"}, "lowercase", id="upper case"),
        pytest.param(hash_token("x"), "", {"read"}, "needs a tenant", id="no tenant"),
        pytest.param(hash_token("x"), "t", set(), "given: none", id="no scope"),
        pytest.param(hash_token("x"), "t", {"read", "write"}, "ingest, read, act", id="unknown"),
    ],
)
def test_a_token_that_cannot_be(text: str, tenant: str, scopes: set[str], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        Token(text, tenant, frozenset(scopes))

"""Who may read, and whose data they see."""

import httpx
import pytest

from lifecycle.access import Access, Token, hash_token
from tests.api.world import World

READ = {"Authorization": "Bearer reader"}


@pytest.fixture
def world() -> World:
    tokens = [
        Token(hash=hash_token("reader"), tenant="acme", scopes=frozenset({"read"})),
        Token(hash=hash_token("other"), tenant="umbrella", scopes=frozenset({"read", "act"})),
        Token(hash=hash_token("sender"), tenant="acme", scopes=frozenset({"ingest"})),
    ]
    return World(access=Access(tokens))


ASKED = [
    pytest.param({}, 401, id="no credential"),
    pytest.param({"Authorization": "Bearer wrong"}, 401, id="an unknown token"),
    pytest.param({"Authorization": "Basic cmVhZGVy"}, 401, id="another scheme"),
    pytest.param({"Authorization": "Bearer sender"}, 403, id="a token that may only send"),
    pytest.param({"Cookie": "donewatch_token=wrong"}, 401, id="an unknown token in the cookie"),
    pytest.param(READ, 200, id="a token that may read"),
    pytest.param({"Cookie": "donewatch_token=reader"}, 200, id="the same in the cookie"),
    pytest.param(
        {"Cookie": "donewatch_token=reader", "Authorization": "Bearer wrong"},
        401,
        id="the header counts before the cookie",
    ),
]
PROTECTED = ["/api/v1/workflows", "/api/v1/rules", "/metrics", "/", "/instances/order/order-1042"]


@pytest.mark.parametrize("path", PROTECTED)
@pytest.mark.parametrize(("headers", "status"), ASKED)
async def test_reading_needs_the_scope(
    client: httpx.AsyncClient, path: str, headers: dict[str, str], status: int
) -> None:
    answer = await client.get(path, headers=headers)
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        assert "read" in answer.json()["fix"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/login"])
async def test_open_to_all(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


async def test_the_tenant_comes_from_the_credential_alone(
    client: httpx.AsyncClient, world: World
) -> None:
    for token in ("reader", "other"):
        headers = {"Authorization": f"Bearer {token}", "X-Tenant": "mallory"}
        await client.get("/api/v1/workflows?tenant=mallory", headers=headers)
    assert world.tenants == ["acme", "umbrella"]


async def test_signing_in(client: httpx.AsyncClient, html: dict[str, str]) -> None:
    form = await client.get("/instances?search=a%20b", headers=html)
    assert form.status_code == 401 and 'action="/login"' in form.text
    assert 'name="next" value="/instances?search=a%20b"' in form.text
    answer = await client.post(
        "/login", data={"token": "reader", "next": "/instances?search=a%20b"}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/instances?search=a%20b")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "secure" not in cookie
    assert (await client.get("/", headers=html)).status_code == 200
    out = await client.post("/logout")
    assert (out.status_code, out.headers["location"]) == (303, "/login")
    assert (await client.get("/", headers=html)).status_code == 401


async def test_over_https_the_cookie_never_leaves_it(
    client: httpx.AsyncClient, world: World
) -> None:
    world.settings = type(world.settings)(external_url="https://donewatch.example")
    answer = await client.post("/login", data={"token": "reader"})
    assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(("token", "status"), [("wrong", 401), ("sender", 403), ("", 401)])
async def test_a_wrong_token_is_told_and_not_kept(
    client: httpx.AsyncClient, token: str, status: int
) -> None:
    answer = await client.post("/login", data={"token": token, "next": "/rules"})
    assert answer.status_code == status
    assert 'role="alert"' in answer.text and "set-cookie" not in answer.headers
    assert 'value="/rules"' in answer.text


TARGETS = [
    pytest.param("/rules", "/rules", id="a page"),
    pytest.param("https://evil.example/", "/", id="another host"),
    pytest.param("//evil.example/", "/", id="another host without a scheme"),
    pytest.param("/\\evil.example/", "/", id="a backslash, which browsers take for a slash"),
    pytest.param("/a\r\nSet-Cookie: x=1", "/", id="a line break"),
    pytest.param("", "/", id="nothing"),
]


@pytest.mark.parametrize(("next_", "location"), TARGETS)
async def test_a_sign_in_leads_nowhere_else(
    client: httpx.AsyncClient, next_: str, location: str
) -> None:
    answer = await client.post("/login", data={"token": "reader", "next": next_})
    assert answer.headers["location"] == location


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        pytest.param("http://donewatch.test", 303, id="our own form"),
        pytest.param("https://evil.example", 403, id="a form of another site"),
    ],
)
@pytest.mark.parametrize("path", ["/login", "/logout"])
async def test_forms_of_other_sites_are_refused(
    client: httpx.AsyncClient, path: str, origin: str, status: int
) -> None:
    answer = await client.post(path, data={"token": "reader"}, headers={"Origin": origin})
    assert answer.status_code == status


async def test_a_huge_form_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/login", content=b"token=" + b"x" * 10_000)
    assert answer.status_code == 413


async def test_a_form_of_too_many_fields_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/login", content=b"a=1&" * 20)
    assert answer.status_code == 422


async def test_a_link_from_elsewhere_arrives_after_one_more_step(
    client: httpx.AsyncClient, html: dict[str, str]
) -> None:
    answer = await client.get(
        "/alerts/a1f3c0de?x=%22", headers={**html, "Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 200
    assert 'content="0; url=/alerts/a1f3c0de?x=%22"' in answer.text

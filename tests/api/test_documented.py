"""The documentation names every route, and no other."""

import re
from pathlib import Path

import httpx
import pytest

from lifecycle.access import Access, Token, hash_token
from tests.api.world import World

TEXT = Path(__file__).parents[2].joinpath("docs", "api.md").read_text(encoding="utf-8")


async def test_every_route_is_documented(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(re.findall(r"^\| `((?:GET|POST) [^`]+)`", TEXT, re.MULTILINE)) == routes


async def test_every_parameter_says_what_it_is(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    silent = [
        (path, parameter["name"])
        for path, methods in paths.items()
        for operation in methods.values()
        for parameter in operation.get("parameters", [])
        if not parameter.get("description")
    ]
    assert silent == []


async def test_every_operation_has_a_shape(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    for path, methods in paths.items():
        content = methods["get"]["responses"]["200"]["content"]
        assert content != {"application/json": {"schema": {}}}, path


async def test_every_error_is_promised_as_a_problem(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for path, methods in document["paths"].items():
        responses = methods["get"]["responses"]
        assert {"421", "503"} <= responses.keys(), path
        for status, response in responses.items():
            if int(status) >= 400:
                assert "application/problem+json" in response["content"], (path, status)


@pytest.mark.parametrize(
    ("access", "asked"),
    [
        pytest.param(Access(), set(), id="nobody where no token is configured"),
        pytest.param(
            Access([Token(hash_token("x"), "a", frozenset({"read"}))]),
            {"token"},
            id="a token where one is",
        ),
    ],
)
async def test_who_must_show_a_token(
    world: World, client: httpx.AsyncClient, access: Access, asked: set[str]
) -> None:
    world.access = access
    document = (await client.get("/openapi.json")).json()
    assert document["components"].get("securitySchemes", {}).keys() == asked
    for path, methods in document["paths"].items():
        needed = {name for each in methods["get"].get("security", ()) for name in each}
        assert needed == (set() if path in ("/healthz", "/readyz") else asked), path

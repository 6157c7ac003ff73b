"""The documentation names every route, and no other."""

import re
from pathlib import Path

import httpx

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

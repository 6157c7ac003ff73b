"""Is the process alive, and can it do its work?"""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api.ports import Check
from api.reader import Given, ports_of
from api.shape import Shape

router = APIRouter(tags=["health"])


class Health(Shape):
    """The process answers."""

    status: str
    version: str


class CheckLine(Shape):
    """One condition; ``reason`` says what is wrong."""

    name: str
    ok: bool
    reason: str


class Readiness(Shape):
    """Ready when every check is ok."""

    ready: bool
    checks: list[CheckLine]


@router.get("/healthz", response_model=Health)
async def read_health(settings: Given) -> Health:
    """The process is alive; says nothing about the store."""
    return Health(status="ok", version=settings.version)


@router.get(
    "/readyz",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Not ready; the checks say why"}},
)
async def read_readiness(request: Request, settings: Given) -> JSONResponse:
    """Store, migrations and last evaluation; 503 with reasons when one is not well."""
    checks = await _ask(request, settings.readiness_timeout)
    found = Readiness(
        ready=all(check.ok for check in checks),
        checks=[CheckLine(name=each.name, ok=each.ok, reason=each.reason) for each in checks],
    )
    headers = {"Cache-Control": "no-store"} | ({} if found.ready else {"Retry-After": "5"})
    return JSONResponse(found.model_dump(), 200 if found.ready else 503, headers=headers)


async def _ask(request: Request, timeout: float) -> list[Check]:  # noqa: ASYNC109
    # A store that hangs must not make the probe hang; the abandoned thread ends with its query.
    try:
        asked = asyncio.to_thread(ports_of(request).checks)
        return list(await asyncio.wait_for(asked, timeout))
    except TimeoutError:
        return [Check("answer", False, f"the checks did not answer within {timeout:g} s")]
    except Exception as error:  # noqa: BLE001  whatever is wrong, this is where it must be said
        return [Check("answer", False, f"the checks failed: {type(error).__name__}: {error}")]

"""Signing in to the pages with a token, kept in a cookie that scripts cannot read."""

from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.credentials import COOKIE, authenticate
from api.problems import Problem
from api.reader import ports_of, settings_of
from api.web import render

router = APIRouter(include_in_schema=False)
MOST_BYTES = 8192
MOST_FIELDS = 10


@router.get("/login")
def login_form(request: Request, next: str = "/") -> HTMLResponse:  # noqa: A002
    """The form."""
    return render(request, "login.html", next=local(next), problem=None)


@router.post("/login")
async def login(request: Request) -> Response:
    """Take the token if it may read, and go where the person wanted to go."""
    _same_origin(request)
    fields = await _form(request)
    target = local(fields.get("next", "/"))
    token = fields.get("token", "").strip()
    try:
        authenticate(f"Bearer {token}", ports_of(request).access)
    except Problem as problem:
        return render(request, "login.html", problem.status, next=target, problem=problem)
    answer = RedirectResponse(target, 303)
    secure = request.url.scheme == "https" or settings_of(request).external_url.startswith("https:")
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, path="/")
    return answer


@router.post("/logout")
def logout(request: Request) -> Response:
    """Forget the token."""
    _same_origin(request)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def local(target: str) -> str:
    """A path on this host, so that a sign-in cannot be made to lead elsewhere."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if plain and target.isprintable() else "/"


def challenge(request: Request, problem: Problem) -> Response:
    """What a browser without a valid token sees.

    The cookie is SameSite=Strict, so a link from elsewhere (a pager, a chat) arrives without it.
    Such a request is asked once more from our own page, which carries it.
    """
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if COOKIE not in request.cookies and request.headers.get("sec-fetch-site") == "cross-site":
        return render(request, "arrive.html", 200, target=here)
    return render(request, "login.html", problem.status, next=local(here), problem=None)


def _same_origin(request: Request) -> None:
    origin = request.headers.get("origin")
    if origin and origin != "null" and urlsplit(origin).netloc != request.headers.get("host"):
        external = settings_of(request).external_url
        if not external or urlsplit(origin).netloc != urlsplit(external).netloc:
            detail = f"the form was sent from {origin}"
            raise Problem(403, "cross-origin", "Not allowed", detail, "use the form of this host")


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            detail = f"the form is larger than {MOST_BYTES} bytes"
            raise Problem(413, "too-large", "Too large", detail, "send only the token")
    text = body.decode("utf-8", "replace")
    try:
        fields = parse_qs(text, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        detail = f"the form has more than {MOST_FIELDS} fields"
        raise Problem(422, "invalid-form", "Bad form", detail, "send token and next") from error
    return {name: values[-1] for name, values in fields.items()}

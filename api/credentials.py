"""Whose data a request may see: a bearer token, in a header or in the pages' cookie."""

from typing import Final

from fastapi import Request

from api.problems import Problem
from lifecycle.access import Access, AccessDenied, Scope

COOKIE: Final = "donewatch_token"


def tenant_of(request: Request, access: Access) -> str:
    """The tenant of the credential; nothing else in a request can name one.

    :raises Problem: 401 without a known credential, 403 with one that may not read.
    """
    header = request.headers.get("authorization")
    if header is None and (token := request.cookies.get(COOKIE)):
        header = f"Bearer {token}"
    return authenticate(header, access)


def authenticate(header: str | None, access: Access) -> str:
    """The tenant that may read with this header.

    :raises Problem: 401 without a known credential, 403 with one that may not read.
    """
    try:
        return access.authenticate(header, Scope.READ)
    except AccessDenied as error:
        headers = {"WWW-Authenticate": error.challenge}
        if error.status == 403:
            fix = "use a token with the scope read"
            raise Problem(
                403, "forbidden", "Not allowed", str(error), fix, headers=headers
            ) from error
        fix = "send Authorization: Bearer TOKEN with a token that has the scope read; pages: /login"
        raise Problem(
            401, "unauthorized", "Not authenticated", str(error), fix, headers=headers
        ) from error

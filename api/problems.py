"""Errors as RFC 9457 problem details: what is wrong, where, and what would be right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"


@dataclass(slots=True)
class Problem(Exception):
    """Ends a request with a problem document.

    ``slug`` names the kind of problem, stable for programs; ``detail`` says what was wrong here,
    ``fix`` what would be right, ``errors`` each place that is wrong.
    """

    status: int
    slug: str
    title: str
    detail: str
    fix: str = ""
    errors: Sequence[Mapping[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self, path: str) -> dict[str, Any]:
        """The body."""
        body: dict[str, Any] = {
            "type": f"urn:donewatch:problem:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": path,
        }
        if self.fix:
            body["fix"] = self.fix
        if self.errors:
            body["errors"] = [dict(error) for error in self.errors]
        return body

    def response(self, path: str) -> JSONResponse:
        """The answer in JSON."""
        return JSONResponse(
            self.document(path), self.status, headers=dict(self.headers), media_type=MEDIA_TYPE
        )


def not_found(detail: str, fix: str) -> Problem:
    """404: there is no such thing."""
    return Problem(404, "not-found", "Not found", detail, fix)


def bad_parameter(name: str, detail: str, fix: str) -> Problem:
    """422: one parameter of the request cannot be taken."""
    return Problem(
        422,
        "invalid-parameter",
        "A parameter is not valid",
        f"{name}: {detail}",
        fix,
        ({"location": f"query.{name}", "error": detail, "fix": fix},),
    )


def invalid_request(found: Sequence[Mapping[str, Any]]) -> Problem:
    """422: what the framework's own validation found."""
    errors = [
        {
            "location": ".".join(str(part) for part in each["loc"]),
            "error": str(each["msg"]),
            "fix": _fix(each),
        }
        for each in found
    ]
    places = ", ".join(error["location"] for error in errors)
    return Problem(
        422,
        "invalid-parameter",
        "A parameter is not valid",
        f"{places}: {errors[0]['error']}" if len(errors) == 1 else f"{places} are not valid",
        errors[0]["fix"] if len(errors) == 1 else "see errors",
        tuple(errors),
    )


def _fix(error: Mapping[str, Any]) -> str:
    context = error.get("ctx") or {}
    kind = str(error.get("type", ""))
    bounds = {
        "greater_than_equal": "give at least {ge}",
        "less_than_equal": "give at most {le}",
        "greater_than": "give more than {gt}",
        "int_parsing": "give a whole number, for example 100",
        "float_parsing": "give a number, for example 2.5",
        "bool_parsing": "give true or false",
        "missing": "add it to the request",
        "literal_error": "give one of {expected}",
        "enum": "give one of {expected}",
        "string_too_long": "give at most {max_length} characters",
    }
    text = bounds.get(kind, "see the operation in /openapi.json")
    return text.format_map(context) if context else text


def of_status(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Problem:
    """A problem for a bare HTTP error of the framework."""
    phrase = HTTPStatus(status).phrase
    fix = {
        404: "see /openapi.json for every path; ids go percent-encoded into one path segment",
        405: f"use {(headers or {}).get('Allow', 'GET')}",
    }.get(status, "")
    return Problem(
        status, phrase.lower().replace(" ", "-"), phrase, detail, fix, headers=headers or {}
    )

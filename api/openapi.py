"""``/openapi.json`` with what the framework does not know: how errors look, and who may ask."""

from typing import Any, Final

from fastapi import FastAPI

from api.problems import MEDIA_TYPE

_UNGUARDED: Final = ("/healthz", "/readyz")  # whoever only asks whether it lives needs no token
_PROBLEM: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "What is wrong, where, and what would be right (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "description": "urn:donewatch:problem:…, stable for programs"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong"},
        "instance": {"type": "string", "description": "The path that was asked"},
        "fix": {"type": "string", "description": "What would be right"},
        "errors": {
            "type": "array",
            "description": "Each place of the request that is wrong",
            "items": {
                "type": "object",
                "required": ["location", "error", "fix"],
                "properties": {
                    "location": {"type": "string"},
                    "error": {"type": "string"},
                    "fix": {"type": "string"},
                },
            },
        },
    },
}
_REPLACED: Final = ("HTTPValidationError", "ValidationError")


class DescribedApp(FastAPI):
    """``guarded``: a token is asked for."""

    guarded = True

    def openapi(self) -> dict[str, Any]:
        """The document; made once."""
        if self.openapi_schema is None:
            self.openapi_schema = _completed(super().openapi(), self.guarded)
        return self.openapi_schema


def _completed(document: dict[str, Any], guarded: bool) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _REPLACED:
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM
    if guarded:
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "With the scope read"},
        }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            asks = guarded and path not in _UNGUARDED
            if asks:
                operation["security"] = [{"token": []}]
            _say_what_can_go_wrong(operation, path, asks)
    return document


def _say_what_can_go_wrong(operation: dict[str, Any], path: str, asks: bool) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    wrong = {"421": "The Host header names another host", "503": "Not now; see Retry-After"}
    if asks:
        wrong |= {"401": "No known token", "403": "The token lacks the scope read"}
    if operation.get("parameters"):
        wrong["422"] = "A parameter is not valid"
    if "{" in path:
        wrong["404"] = "There is no such thing"
    for status, description in sorted(wrong.items()):
        problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        known = responses.setdefault(status, {"description": description})
        known["content"] = {**known.get("content", {}), **problem}

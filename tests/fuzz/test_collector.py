"""The events' port as a document describes it: every shape of request, right and wrong."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks

from lifecycle.events import FIELDS, EventKind, Field, FieldType
from tests.fuzz.conftest import EXAMPLES, HANGS, PATIENCE
from tests.peers.donewatch import Donewatch

pytestmark = [pytest.mark.system, pytest.mark.timeout(PATIENCE)]

quick = settings(
    max_examples=EXAMPLES or 15,
    deadline=None,
    derandomize=not EXAMPLES,
    suppress_health_check=list(HealthCheck),
)
TIME = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer", "minimum": 1}]}
TYPES: dict[FieldType, dict[str, Any]] = {
    FieldType.STRING: {"type": "string"},
    FieldType.INTEGER: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    FieldType.TIME: TIME,
}
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {"status": {"type": "integer"}, "detail": {"type": "string", "minLength": 1}},
}
STATUS = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "integer"}, "message": {"type": "string", "minLength": 1}},
}
TAKEN = {
    "type": "object",
    "required": ["accepted", "rejected"],
    "additionalProperties": False,
    "properties": {
        "accepted": {"type": "integer", "minimum": 0},
        "rejected": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["index", "field", "error"],
                "properties": {
                    "index": {"type": "integer", "minimum": 0},
                    "field": {"type": "string"},
                    "error": {"type": "string", "minLength": 1},
                },
            },
        },
    },
}
EXPORTED = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "partialSuccess": {
            "type": "object",
            "required": ["rejectedLogRecords", "errorMessage"],
            "properties": {
                "rejectedLogRecords": {"type": "string", "pattern": "^[1-9][0-9]*$"},
                "errorMessage": {"type": "string", "minLength": 1},
            },
        }
    },
}


def property_of(field: Field) -> dict[str, Any]:
    if field.choices:
        return {"enum": list(field.choices)}
    return TYPES[field.type]


def event(kind: EventKind) -> dict[str, Any]:
    """An event of a kind, as docs/events.md has it."""
    fields = [field for field in FIELDS if not field.kinds or kind in field.kinds]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["event", *(field.name for field in fields if field.required)],
        "properties": {
            "event": {"enum": [kind.value]},
            "occurred_at": TIME,
            "attributes": {"type": "object"},
            **{field.name: property_of(field) for field in fields},
        },
    }


PAIRS = {
    "type": "array",
    "maxItems": 4,
    "items": {
        "type": "object",
        "required": ["key"],
        "properties": {
            "key": {"enum": [*(field.attribute for field in FIELDS), "own"]},
            "value": {
                "type": "object",
                "maxProperties": 1,
                "properties": {
                    "stringValue": {"type": "string"},
                    "intValue": {"type": "string", "pattern": "^-?[0-9]{1,18}$"},
                    "boolValue": {"type": "boolean"},
                    "doubleValue": {"type": "number"},
                },
            },
        },
    },
}


def groups(name: str, inner: dict[str, Any]) -> dict[str, Any]:
    """An object with one list."""
    items = {"type": "array", "maxItems": 3, "items": inner}
    return {"type": "object", "properties": {name: items}}


LOG = {
    "type": "object",
    "properties": {
        "eventName": {"enum": [*(f"donewatch.{kind}" for kind in EventKind), "x"]},
        "timeUnixNano": {"type": "string", "pattern": "^[0-9]{1,19}$"},
        "traceId": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "attributes": PAIRS,
    },
}


def answers(taken: dict[str, Any], refused: dict[str, Any], kind: str) -> dict[str, Any]:
    """Everything that a body may be answered."""
    wrong = {kind: {"schema": refused}}
    return {
        "200": {"description": "Taken", "content": {"application/json": {"schema": taken}}},
        **{str(status): {"description": "Wrong", "content": wrong} for status in (400, 413, 415)},
    }


def body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "The events' port", "version": "1"},
    "paths": {
        "/api/v1/events": {
            "post": {
                "requestBody": body(
                    {"type": "array", "items": {"anyOf": [event(kind) for kind in EventKind]}}
                ),
                "responses": answers(TAKEN, PROBLEM, "application/problem+json"),
            }
        },
        "/v1/logs": {
            "post": {
                "requestBody": body(
                    groups("resourceLogs", groups("scopeLogs", groups("logRecords", LOG)))
                ),
                "responses": answers(EXPORTED, STATUS, "application/json"),
            }
        },
        "/healthz": {
            "get": {
                "responses": {"200": {"description": "It lives", "content": {"text/plain": {}}}}
            }
        },
        "/metrics": {
            "get": {"responses": {"200": {"description": "Metrics", "content": {"text/plain": {}}}}}
        },
    },
}
api = schemathesis.openapi.from_dict(DOCUMENT)
api.config.phases.coverage.enabled = bool(EXAMPLES)


@api.parametrize()
@quick
def test_whatever_is_sent(case: schemathesis.Case, service: Donewatch) -> None:
    case.call_and_validate(
        base_url=service.otlp,
        headers={"Authorization": "Bearer sends"},
        timeout=HANGS,
        # records are refused one by one, in an answer that says 200
        excluded_checks=[checks.negative_data_rejection],
    )

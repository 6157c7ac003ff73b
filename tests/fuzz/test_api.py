"""The pages' port by its own OpenAPI document: whatever is asked, it answers as it says there."""

import copy
import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import Ports, create_app
from lifecycle.access import Access, Token, hash_token
from lifecycle.events import EventKind
from tests.fuzz.conftest import EXAMPLES, HANGS, PATIENCE
from tests.peers.donewatch import Donewatch

pytestmark = [pytest.mark.system, pytest.mark.timeout(PATIENCE)]

KNOWN = {"type": ["order"], "id": ["o-1", "o-2"]}
SHORT = 0.2  # seconds that a long poll waits here
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
STREAM = "/api/v1/events/stream"
quick = settings(
    max_examples=EXAMPLES or 6,
    deadline=None,
    derandomize=not EXAMPLES,
    suppress_health_check=list(HealthCheck),
)


def document(access: Access) -> dict[str, Any]:
    """What such a service says of itself; nothing is asked of it here."""
    nothing: Any = None
    ports = Ports(
        query_for=nothing,
        alerts_for=nothing,
        ingest=nothing,
        access=access,
        watermark=nothing,
        definitions=nothing,
        checks=nothing,
        clock=nothing,
    )
    return create_app(ports).openapi()


def about_known(described: dict[str, Any]) -> dict[str, Any]:
    """The same, but what a path names is often there: chance would hardly ever name it."""
    known = copy.deepcopy(described)
    for operations in known["paths"].values():
        operations["get"].pop("security", None)  # the token is sent whatever is generated
        for parameter in operations["get"].get("parameters", ()):
            if parameter["in"] == "path" and parameter["name"] in KNOWN:
                there = {"enum": KNOWN[parameter["name"]]}
                parameter["schema"] = {"anyOf": [there, there, parameter["schema"]]}
    return known


def api() -> Any:
    """Tests of every operation that has an end."""
    found = schemathesis.openapi.from_dict(about_known(DOCUMENT))
    # its cases at the edges of every parameter are many: for them there is `make fuzz`
    found.config.phases.coverage.enabled = bool(EXAMPLES)
    return found.exclude(path=STREAM)


DOCUMENT = document(Access([Token(hash_token("x"), "shop", frozenset({"read"}))]))


def test_the_document_is_that_of_the_service(service: Donewatch) -> None:
    served = service.get("/openapi.json").json()
    assert served == {**DOCUMENT, "info": served["info"]}


@api().parametrize()
@quick
def test_whatever_is_asked(case: schemathesis.Case, service: Donewatch) -> None:
    waits = case.query.get("wait")
    if isinstance(waits, int | float) and waits > SHORT:
        case.query["wait"] = SHORT
    case.call_and_validate(
        base_url=service.pages,
        headers={"Authorization": "Bearer reads"},
        timeout=HANGS,
        # it cannot know that `from` is before `to`, nor what a cursor is
        excluded_checks=[schemathesis.checks.positive_data_acceptance],
    )


@pytest.mark.parametrize("path", DOCUMENT["paths"])
@pytest.mark.parametrize(
    ("token", "status"),
    [
        pytest.param("", 401, id="no token"),
        pytest.param("unknown", 401, id="an unknown token"),
        pytest.param("sends", 403, id="a token that may only send"),
    ],
)
def test_whoever_asks(service: Donewatch, path: str, token: str, status: int) -> None:
    operation = DOCUMENT["paths"][path]["get"]
    answer = service.http.get(
        service.pages + path.format(type="order", id="o-1", fingerprint="f"),
        params={"figure": "edges", "id": "o-1"},
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )
    if "security" not in operation:
        assert answer.status_code == 200
        return
    assert answer.status_code == status
    assert str(status) in operation["responses"]
    assert answer.json()["status"] == status
    assert answer.headers["www-authenticate"].startswith("Bearer ")


@quick
@given(
    workflow=TEXTS,
    instance=TEXTS,
    kind=st.lists(st.sampled_from([*EventKind]) | TEXTS, max_size=3),
    from_=st.datetimes().map(lambda at: f"{at.isoformat()}Z") | TEXTS,
    last_event_id=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60),
)
def test_the_stream_begins_or_says_why_not(
    service: Donewatch,
    workflow: str,
    instance: str,
    kind: list[str],
    from_: str,
    last_event_id: str,
) -> None:
    with service.http.stream(
        "GET",
        f"{service.pages}{STREAM}",
        params={"workflow": workflow, "instance": instance, "kind": kind, "from": from_},
        headers={"Authorization": "Bearer reads", "Last-Event-ID": last_event_id.strip()},
        timeout=HANGS,
    ) as answer:
        promised = DOCUMENT["paths"][STREAM]["get"]["responses"][str(answer.status_code)]
        assert answer.headers["content-type"].partition(";")[0] in promised["content"]
        if answer.status_code == 422:
            assert json.loads(answer.read())["fix"]

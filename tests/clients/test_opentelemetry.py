"""OpenTelemetry's SDKs, unmodified, against the service: what they send is there once.

Every request passes a relay that shows how it was sent, and can be busy or lose an answer.
"""

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression

from tests.clients.conftest import TOKEN
from tests.clients.relay import RETRY_AFTER, Fate, Relay
from tests.clients.senders import Event, JavaScript, Python, Sender, Span
from tests.peers.donewatch import Donewatch, until

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("javascript")]

_ORDERS = itertools.count(1)
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
JSON = JavaScript("json", "none")
JSON_GZIP = JavaScript("json", "gzip")
PROTOBUF = JavaScript("protobuf", "none")
PROTOBUF_GZIP = JavaScript("protobuf", "gzip")
PYTHON = Python(Compression.NoCompression)
PYTHON_GZIP = Python(Compression.Gzip)
PYTHON_SINGLY = Python(Compression.Gzip, batched=False)

SENDERS = [
    pytest.param(JSON, "application/json", "", id="JavaScript, JSON"),
    pytest.param(JSON_GZIP, "application/json", "gzip", id="JavaScript, JSON, gzip"),
    pytest.param(PROTOBUF, "application/x-protobuf", "", id="JavaScript, protobuf"),
    pytest.param(PROTOBUF_GZIP, "application/x-protobuf", "gzip", id="JavaScript, protobuf, gzip"),
    pytest.param(PYTHON, "application/x-protobuf", "", id="Python"),
    pytest.param(PYTHON_GZIP, "application/x-protobuf", "gzip", id="Python, gzip"),
    pytest.param(PYTHON_SINGLY, "application/x-protobuf", "gzip", id="Python, one by one"),
]
EACH = [
    pytest.param(JSON_GZIP, id="JavaScript, JSON"),
    pytest.param(PROTOBUF_GZIP, id="JavaScript, protobuf"),
    pytest.param(PYTHON_GZIP, id="Python"),
]
SENT_AGAIN = [
    pytest.param(JSON_GZIP, Fate.BUSY, id="JavaScript, JSON, 429"),
    pytest.param(PROTOBUF_GZIP, Fate.ANSWER_LOST, id="JavaScript, protobuf, 503 though taken"),
    pytest.param(PYTHON_GZIP, Fate.BUSY, id="Python, 429"),
    pytest.param(PYTHON_GZIP, Fate.ANSWER_LOST, id="Python, 503 though taken"),
]


def new_order() -> str:
    return f"order-{next(_ORDERS)}"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def moved(order: str, before: str, after: str, action: str, **more: Any) -> Event:
    attributes = {
        "donewatch.workflow.type": "order",
        "donewatch.instance.id": order,
        "donewatch.transition.to": after,
        "donewatch.transition.action": action,
        **({"donewatch.transition.from": before} if before else {}),
        **more,
    }
    return Event(
        name="donewatch.transition",
        at=now(),
        attributes=attributes,
        trace_id=TRACE,
        span_id=SPAN,
    )


def history(order: str) -> list[Event]:
    """An order that is submitted, charged and paid; without event ids, as foreign clients are."""
    charged = {
        "donewatch.workflow.type": "order",
        "donewatch.instance.id": order,
        "donewatch.job.id": "charge-1",
        "donewatch.job.state": "succeeded",
        "donewatch.job.attempt": 2,
        "donewatch.job.max_attempts": 5,
    }
    own = {"tier": "gold", "amount": 9.5, "express": True, "items": ["a", "b"], "count": 3}
    return [
        moved(order, "", "submitted", "submit", **{"donewatch.sequence": 1}, **own),
        Event(name="donewatch.job", at=now(), attributes=charged),
        moved(order, "submitted", "paid", "pay", **{"donewatch.sequence": 2}),
    ]


def shown(service: Donewatch, order: str, events: int) -> dict[str, Any]:
    """The instance, once so many of its events are stored."""

    def look() -> dict[str, Any]:
        answer = service.get(f"/api/v1/instances/order/{order}")
        found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return found if len(found.get("events", ())) >= events else {}

    return until(look, what=f"{events} events of {order}")


def check_told_once(service: Donewatch, order: str) -> None:
    """Everything about the history is shown, and nothing twice."""
    found = shown(service, order, 3)
    fields = [each["fields"] for each in found["events"]]
    assert [each["event"] for each in fields].count("transition") == 2
    assert [each["event"] for each in fields].count("job") == 1
    submitted, paid = (each for each in fields if each["event"] == "transition")
    assert (submitted["to"], submitted["sequence"]) == ("submitted", 1)
    assert (paid["from"], paid["to"], paid["action"]) == ("submitted", "paid", "pay")
    assert {submitted["trace_id"], paid["trace_id"]} == {TRACE}
    assert submitted["span_id"] == SPAN
    assert (submitted["service"], submitted["service_version"]) == ("shop", "7")
    assert submitted["environment"] == "production"
    own = submitted["attributes"]
    assert (json.loads(own) if isinstance(own, str) else own) == {
        "tier": "gold",
        "amount": 9.5,
        "express": True,
        "items": ["a", "b"],
        "count": 3,
    }
    (job,) = found["jobs"]
    assert (job["job_id"], job["state"], job["attempt"]) == ("charge-1", "succeeded", 2)
    assert [each["state"] for each in found["visits"]] == ["submitted", "paid"]


@pytest.mark.parametrize(("sender", "kind", "encoding"), SENDERS)
def test_events_are_shown_once(
    service: Donewatch, sender: Sender, kind: str, encoding: str
) -> None:
    order = new_order()
    with Relay(service.otlp) as relay:
        assert sender.send(relay.url, TOKEN, history(order)) == []
    check_told_once(service, order)
    for each in relay.seen:
        assert each.path == "/v1/logs" and each.status == 200
        assert each.headers["content-type"] == kind
        assert each.headers.get("content-encoding", "") == encoding


@pytest.mark.parametrize("sender", [JSON, PROTOBUF_GZIP], ids=["JSON", "protobuf"])
def test_javascript_sends_bodies_of_no_declared_length(service: Donewatch, sender: Sender) -> None:
    with Relay(service.otlp) as relay:
        sender.send(relay.url, TOKEN, history(new_order()))
    assert {each.headers.get("transfer-encoding") for each in relay.seen} == {"chunked"}


@pytest.mark.parametrize(("sender", "fate"), SENT_AGAIN)
def test_what_is_sent_again_counts_once(service: Donewatch, sender: Sender, fate: Fate) -> None:
    order = new_order()
    with Relay(service.otlp, [fate]) as relay:
        sender.send(relay.url, TOKEN, history(order))
    first, second = relay.seen
    assert (first.status, second.status) == (429 if fate is Fate.BUSY else 503, 200)
    assert first.content == second.content
    assert second.at - first.at >= RETRY_AFTER
    check_told_once(service, order)
    # a copy that is still on its way would come before what is sent after it
    after = new_order()
    service.take(
        {"event": "transition", "workflow_type": "order", "instance_id": after, "to": "submitted"}
    )
    shown(service, after, 1)
    assert len(shown(service, order, 3)["events"]) == 3


@pytest.mark.parametrize("sender", EACH)
def test_what_is_refused_is_told_and_holds_up_nothing(service: Donewatch, sender: Sender) -> None:
    order = new_order()
    events = history(order)
    events.insert(1, moved(order, "submitted", "", "get lost"))
    with Relay(service.otlp) as relay:
        told = sender.send(relay.url, TOKEN, events)
    assert [each.status for each in relay.seen] == [200], (
        "a partial success is not to be sent again"
    )
    check_told_once(service, order)
    if isinstance(sender, JavaScript):
        (message,) = told
        assert "record 1: " in message and "donewatch.transition.to" in message


@pytest.mark.parametrize("sender", EACH)
def test_a_wrong_token_is_told_at_once(service: Donewatch, sender: Sender) -> None:
    order = new_order()
    with Relay(service.otlp) as relay:
        told = sender.send(relay.url, "wrong", history(order))
    assert [each.status for each in relay.seen] == [401]
    assert any("401" in each or "Unauthorized" in each for each in told), told
    assert service.get(f"/api/v1/instances/order/{order}").status_code == 404


def messages(order: str) -> list[Span]:
    """A message that is sent and worked on, and a span that has to do with none."""
    about = {
        "messaging.system": "rabbitmq",
        "messaging.destination.name": "payments",
        "messaging.message.id": "m-1",
        "donewatch.workflow.type": "order",
        "donewatch.instance.id": order,
    }
    sent = {**about, "messaging.operation.type": "send"}
    worked_on = {**about, "messaging.operation.type": "process"}
    return [
        Span(name="GET /orders", kind="SERVER", attributes={"http.response.status_code": 200}),
        Span(name="send payments", kind="PRODUCER", attributes=sent),
        Span(name="process payments", kind="CONSUMER", attributes=worked_on),
    ]


@pytest.mark.parametrize(
    ("sender", "fates"),
    [
        pytest.param(JSON, [], id="JavaScript, JSON"),
        pytest.param(PROTOBUF_GZIP, [], id="JavaScript, protobuf, gzip"),
        pytest.param(PYTHON_GZIP, [], id="Python"),
        pytest.param(JSON_GZIP, [Fate.ANSWER_LOST], id="JavaScript, JSON, 503 though taken"),
    ],
)
def test_spans_of_messages_are_shown_as_one_job(
    service: Donewatch, sender: Sender, fates: list[Fate]
) -> None:
    order = new_order()
    with Relay(service.otlp, fates) as relay:
        told = sender.send_spans(relay.url, TOKEN, messages(order))
    assert told == [] or fates
    assert {each.path for each in relay.seen} == {"/v1/traces"}
    assert relay.seen[-1].status == 200
    found = shown(service, order, 3)
    (job,) = found["jobs"]
    assert (job["job_id"], job["state"]) == ("m-1", "succeeded")
    states = sorted(each["fields"]["job_state"] for each in found["events"])
    assert states == ["enqueued", "started", "succeeded"]
    assert {each["service"] for each in found["events"]} == {"shop 7"}

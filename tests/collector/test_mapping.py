"""What a mapping makes of spans and logs, field by field."""

from collections.abc import Mapping
from textwrap import dedent, indent
from typing import Any

import pytest
from opentelemetry.trace import SpanKind

from collector.check import Checker
from collector.limits import Limits
from collector.mapping import Mapped, Mapper, map_logs
from collector.records import BodyTooLarge, Door, Flaw, Reason, Record
from lifecycle.events import Event
from lifecycle.mapping_files import read_mapping
from tests.collector.senders import NANOS, NOW
from tests.collector.spans import (
    Tracing,
    map_json,
    map_protobuf,
    traces_json,
    traces_protobuf,
    tracing,
)

SPAN_JOB = """\
mapping: jobs
on: span
match: {name: {prefix: "job "}}
fields:
  workflow_type: order
  instance_id: {attribute: order.id}
  job_id: {attribute: job}
emit:
  - event: job
    occurred_at: start
    fields: {job_state: started}
  - event: job
    occurred_at: end
    fields: {job_state: {span: status, map: {unset: succeeded, ok: succeeded, error: failed}}}
"""


def mapper(*texts: str) -> Mapper:
    return Mapper(read_mapping(dedent(text), f"{n}.yaml") for n, text in enumerate(texts))


def mapped(tracing: Tracing, *texts: str, limits: Limits | None = None) -> Mapped:
    """By both encodings, which must agree."""
    limits, applied = limits or Limits(), mapper(*texts)
    protobuf = map_protobuf(traces_protobuf(tracing.request).content, limits, applied)
    json = map_json(traces_json(tracing.request).content, limits, applied)
    assert protobuf == json
    return protobuf


def events(found: Mapped) -> list[Event]:
    check = Checker(tenant="t", collector="c", received_at=NOW, limits=Limits())
    checked = [check(record) for record in found.records]
    assert [each for each in checked if not isinstance(each, Event)] == []
    return [each for each in checked if isinstance(each, Event)]


def one(value: str, attributes: Mapping[str, Any], field: str = "reason") -> Any:
    """One field's value, of a span with these attributes; ``None`` where there is none."""
    text = f"""\
mapping: one
on: span
match: {{name: x}}
emit:
  - event: job
    occurred_at: start
    fields:
      workflow_type: order
      instance_id: i
      job_id: j
      job_state: started
      {field}: {value}
"""
    with tracing(service__name="shop") as app:
        app.span("x", SpanKind.CONSUMER, attributes, error=KeyError("lost"))
        found = mapped(app, text)
    names = {"reason": "donewatch.reason", "attempt": "donewatch.job.attempt"}
    if found.lacking:
        return found.lacking[0].refusal.error
    assert events(found), "what a mapping makes is never refused"
    return found.records[0].attributes.get(names[field])


def test_one_span_becomes_several_events() -> None:
    with tracing(service__name="worker", deployment__environment__name="prod") as app:
        span = app.span(
            "job charge", attributes={"order.id": "o-7", "job": 42}, error=ValueError("no")
        )
        app.span("other", attributes={"order.id": "o-8", "job": 43})
        found = mapped(app, SPAN_JOB)
    assert (found.total, found.ignored, found.lacking) == (2, 1, [])
    started, failed = events(found)
    context = span.get_span_context()
    assert started.trace_id == f"{context.trace_id:032x}"
    assert started.span_id == f"{context.span_id:016x}"
    assert (started.instance_id, started.job_id, started.job_state) == ("o-7", "42", "started")
    assert (started.occurred_at, failed.occurred_at) == (NOW, NOW + 1_000_000)
    assert failed.job_state == "failed"
    assert (failed.service, failed.environment) == ("worker", "prod")
    assert started.event_id != failed.event_id


def test_a_span_sent_twice_is_the_same_events_and_another_span_others() -> None:
    with tracing() as app:
        for _ in range(2):
            app.span("job charge", attributes={"order.id": "o-7", "job": "j"})
        first, again = events(mapped(app, SPAN_JOB)), events(mapped(app, SPAN_JOB))
    assert first == again
    assert len({event.event_id for event in first}) == 4


def test_a_span_without_ids_has_one_made_of_its_content() -> None:
    body = (
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"job x","startTimeUnixNano":"%d",'
        b'"endTimeUnixNano":"%d","attributes":[{"key":"order.id","value":{"stringValue":"o"}},'
        b'{"key":"job","value":{"stringValue":"j"}}]}]}]}]}' % (NANOS, NANOS)
    )
    found = events(map_json(body, Limits(), mapper(SPAN_JOB)))
    assert len({event.event_id for event in found}) == 2
    assert found == events(map_json(body, Limits(), mapper(SPAN_JOB)))
    ids = b'"traceId":"%s","spanId":"%s",' % (b"0" * 32, b"0" * 16)
    zeros = body.replace(b'"name"', ids + b'"name"')
    assert events(map_json(zeros, Limits(), mapper(SPAN_JOB))) == found, "which say none either"
    other = zeros.replace(b'"j"', b'"k"')
    ids_of_other = {each.event_id for each in events(map_json(other, Limits(), mapper(SPAN_JOB)))}
    assert ids_of_other.isdisjoint(each.event_id for each in found)


@pytest.mark.parametrize(
    ("value", "attributes", "expected"),
    [
        pytest.param("plain", {}, "plain", id="a literal"),
        pytest.param("7", {}, "7", id="a literal number"),
        pytest.param("{attribute: a}", {"a": "x"}, "x", id="an attribute"),
        pytest.param("{attribute: a}", {}, None, id="which is not there"),
        pytest.param("{attribute: a}", {"a": ""}, None, id="which is empty"),
        pytest.param("{attribute: a}", {"a": 5}, "5", id="an integer as text"),
        pytest.param("{attribute: a}", {"a": 1.5}, "1.5", id="a fraction as text"),
        pytest.param("{attribute: a}", {"a": True}, "true", id="a truth value as text"),
        pytest.param("{attribute: a}", {"a": ["x"]}, None, id="a list is no text"),
        pytest.param("{attribute: a}", {"a": "x" * 5000}, None, id="too long for the field"),
        pytest.param("{attribute: a, default: d}", {}, "d", id="a default"),
        pytest.param("{attribute: a, default: d}", {"a": "x"}, "x", id="a default not needed"),
        pytest.param("[{attribute: a}, {attribute: b}]", {"b": "y"}, "y", id="the first there"),
        pytest.param(
            "[{attribute: a}, {attribute: b}]", {"a": "x", "b": "y"}, "x", id="the first of two"
        ),
        pytest.param(
            "[{attribute: a}, {attribute: b}]",
            {"a": "x" * 5000, "b": "y"},
            "y",
            id="the first that can be used",
        ),
        pytest.param("{resource: service.name}", {}, "shop", id="the resource"),
        pytest.param("{span: name}", {}, "x", id="the span's name"),
        pytest.param("{span: kind}", {}, "consumer", id="its kind"),
        pytest.param("{span: status}", {}, "error", id="its status"),
        pytest.param("{span: status_message}", {}, "'lost'", id="its status message"),
        pytest.param("{span: duration}", {}, "1.0", id="its duration in seconds"),
        pytest.param("{span: exception_type}", {}, "KeyError", id="its exception's type"),
        pytest.param("{span: exception_message}", {}, "'lost'", id="its exception's message"),
        pytest.param("{span: parent_span_id}", {}, None, id="a root has no parent"),
        pytest.param("{span: scope}", {}, "app", id="its scope"),
        pytest.param(
            '{template: "{a}-{resource:service.name}-{span:name}-{{}}"}',
            {"a": 1},
            "1-shop-x-{}",
            id="a template",
        ),
        pytest.param('{template: "{a}-{b}"}', {"a": 1}, None, id="half a template"),
        pytest.param("{attribute: a, map: {'1': one}}", {"a": 1}, "one", id="a table"),
        pytest.param("{attribute: a, map: {'1': one}}", {"a": 2}, None, id="not in the table"),
        pytest.param(
            "{attribute: a, map: {'1': one}, default: other}",
            {"a": 2},
            "other",
            id="so the default",
        ),
        pytest.param(
            "{attribute: a, after: 'order-'}", {"a": "urn:order-7"}, "7", id="what stands after"
        ),
        pytest.param("{attribute: a, after: 'order-'}", {"a": "7"}, None, id="after what is not"),
        pytest.param("{attribute: a, before: ':'}", {"a": "7:x:y"}, "7", id="what stands before"),
        pytest.param("{attribute: a, before: ':'}", {"a": "7"}, None, id="before what is not"),
        pytest.param(
            "{attribute: a, after: '/', before: '/', map: {b: c}}",
            {"a": "a/b/c"},
            "c",
            id="between, then by the table",
        ),
        pytest.param(
            "{attribute: a, required: true}",
            {},
            "mapping 'one', event 1: reason has no value in attribute a",
            id="required and not there",
        ),
        pytest.param(
            "{attribute: a, required: true}",
            {"a": "x\0y"},
            "mapping 'one', event 1: reason has the control character U+0000 at 1;"
            " send printable text",
            id="required and of no use",
        ),
    ],
)
def test_where_a_value_comes_from(
    value: str, attributes: Mapping[str, Any], expected: str | None
) -> None:
    assert one(value, attributes) == expected


@pytest.mark.parametrize(
    ("value", "attributes", "expected"),
    [
        pytest.param("3", {}, 3, id="a literal"),
        pytest.param("{attribute: a}", {"a": 4}, 4, id="an integer"),
        pytest.param("{attribute: a}", {"a": "4"}, 4, id="digits"),
        pytest.param("{attribute: a}", {"a": "-4"}, -4, id="negative digits"),
        pytest.param("{attribute: a}", {"a": "four"}, None, id="a word"),
        pytest.param("{attribute: a}", {"a": "٣"}, None, id="digits of another script"),
        pytest.param("{attribute: a}", {"a": "9" * 30}, None, id="too many digits"),
        pytest.param("{attribute: a}", {"a": 4.0}, None, id="a fraction"),
        pytest.param("{attribute: a}", {"a": True}, None, id="a truth value"),
        pytest.param("{attribute: a, plus: 1}", {"a": 4}, 5, id="one more"),
        pytest.param("{attribute: a, plus: 1}", {"a": "4"}, 5, id="one more than digits"),
        pytest.param("{attribute: a, plus: 1, default: 1}", {}, 1, id="one more, or the default"),
        pytest.param("{attribute: a, plus: 1}", {"a": 2**63 - 1}, None, id="one too many"),
    ],
)
def test_numbers(value: str, attributes: Mapping[str, Any], expected: int | None) -> None:
    assert one(value, attributes, "attempt") == expected


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        pytest.param("name: x", True, id="a word"),
        pytest.param("name: y", False, id="another word"),
        pytest.param("name: [y, x]", True, id="one of several"),
        pytest.param("kind: consumer", True, id="the kind"),
        pytest.param("kind: [client, server]", False, id="another kind"),
        pytest.param("status: error", True, id="the status"),
        pytest.param("scope: app", True, id="the scope"),
        pytest.param("scope: {prefix: b}", False, id="another scope"),
        pytest.param("exception_type: KeyError", True, id="the exception"),
        pytest.param("parent_span_id: {exists: false}", True, id="a root"),
        pytest.param("attributes: {a: one}", True, id="an attribute"),
        pytest.param("attributes: {n: 1}", True, id="a number"),
        pytest.param("attributes: {b: true}", True, id="a truth value"),
        pytest.param("attributes: {b: 'yes'}", False, id="which is compared as true"),
        pytest.param("attributes: {l: one}", False, id="a list equals nothing"),
        pytest.param("attributes: {l: {exists: true}}", True, id="though it exists"),
        pytest.param("attributes: {a: {exists: true}}", True, id="it exists"),
        pytest.param("attributes: {a: {exists: false}}", False, id="it exists, and should not"),
        pytest.param("attributes: {z: {exists: false}}", True, id="it does not exist"),
        pytest.param("attributes: {z: {exists: true}}", False, id="it does not, and should"),
        pytest.param("attributes: {a: {not: one}}", False, id="not this"),
        pytest.param("attributes: {a: {not: [two, three]}}", True, id="none of these"),
        pytest.param("attributes: {z: {not: one}}", True, id="what is missing is not this"),
        pytest.param("attributes: {a: {prefix: on}}", True, id="a prefix"),
        pytest.param("attributes: {a: {prefix: ne}}", False, id="no prefix"),
        pytest.param("attributes: {a: {matches: 'n.$'}}", True, id="a pattern"),
        pytest.param("attributes: {z: {matches: '.*'}}", False, id="a pattern of what is missing"),
        pytest.param("attributes: {a: {prefix: o, not: one}}", False, id="both must hold"),
        pytest.param("attributes: {a: {equals: [one, two]}}", True, id="equals"),
        pytest.param("attributes: {a: one, n: 2}", False, id="all attributes must"),
        pytest.param("resource: {service.name: shop}", True, id="the resource"),
        pytest.param("resource: {service.name: bank}", False, id="another resource"),
    ],
)
def test_conditions(condition: str, matches: bool) -> None:
    emit = (
        "\nemit: [{event: visible, occurred_at: end, fields: {workflow_type: o, instance_id: i}}]"
    )
    with tracing(service__name="shop") as app:
        attributes = {"a": "one", "n": 1, "b": True, "l": ["one"]}
        app.span("x", SpanKind.CONSUMER, attributes, error=KeyError("lost"))
        found = mapped(app, f"mapping: m\non: span\nmatch: {{{condition}}}{emit}")
        listed = f"mapping: m\non: span\nmatch: [{{name: z}}, {{{condition}}}]{emit}"
        assert mapped(app, listed) == found, "one case of a list is enough"
    assert len(found.records) == matches
    assert found.ignored == (not matches)


def visible(name: str, match: str, instance: str) -> str:
    fields = f"{{workflow_type: o, instance_id: {instance}}}"
    emit = f"[{{event: visible, occurred_at: end, fields: {fields}}}]"
    return f"mapping: {name}\non: span\nmatch: {match}\nemit: {emit}"


def test_the_first_mapping_that_matches_takes_the_span() -> None:
    with tracing() as app:
        app.span("x")
        found = mapped(
            app,
            visible("a", "{name: y}", "a"),
            visible("b", "{name: x}", "{attribute: nothing}"),
            visible("c", "{name: x}", "c"),
        )
    assert (found.records, found.ignored) == ([], 0)
    (lacking,) = found.lacking
    assert (lacking.mapping, lacking.field) == ("b", "instance_id")


def test_what_lacks_something_is_told_apart_and_kept_once_a_span() -> None:
    with tracing(service__name="shop") as app:
        app.span("job a", attributes={"order.id": "o"})
        app.span("job b", attributes={"job": "j", "order.id": "o"})
    found = mapped(app, SPAN_JOB)
    assert [each.attributes["donewatch.job.state"] for each in found.records] == [
        "started",
        "succeeded",
    ]
    assert {each.index for each in found.records} == {1}
    (lacking,) = found.lacking
    assert (lacking.refusal.index, lacking.refusal.reason) == (0, Reason.UNMAPPED)
    assert lacking.refusal.error == "mapping 'jobs', event 1: job_id has no value in attribute job"
    for part in ('"name":"job a"', '"order.id":"o"', '"service.name":"shop"'):
        assert part in lacking.refusal.raw


def test_an_event_that_lacks_something_does_not_hold_up_the_others() -> None:
    text = SPAN_JOB + indent(
        "- {event: transition, occurred_at: end, fields: {to: {attribute: state}}}", "  "
    )
    with tracing() as app:
        app.span("job a", attributes={"job": "j", "order.id": "o"})
        found = mapped(app, text)
    assert len(found.records) == 2
    assert [each.place for each in found.lacking] == [3]


def test_a_span_that_has_not_ended() -> None:
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x"}]}]}]}'
    found = map_json(body, Limits(), mapper(visible("a", "{name: x}", "i")))
    assert [each.refusal.error for each in found.lacking] == [
        "mapping 'a', event 1: the span has no end"
    ]


def test_attributes_that_are_kept_and_an_environment_of_ones_own() -> None:
    text = """\
        mapping: keeping
        on: span
        match: {name: x}
        emit:
          - event: visible
            occurred_at: end
            fields:
              workflow_type: o
              instance_id: i
              environment: {attribute: stage}
              service_version: "9"
              event_id: {attribute: id}
            keep: [n, l, id, missing, donewatch.actor.type]
        """
    with tracing(service__name="shop", service__version="1") as app:
        attributes = {"n": 1, "l": ["a"], "stage": "prod", "id": "e-1", "more": "x"}
        app.span("x", attributes={**attributes, "donewatch.actor.type": "probe"})
        (event,) = events(mapped(app, text))
    assert event.attributes == '{"id":"e-1","l":["a"],"n":1}'
    assert (event.service, event.service_version, event.environment) == ("shop", "9", "prod")
    assert (event.event_id, event.actor_type) == ("e-1", "probe")


def test_more_events_than_a_body_may_have() -> None:
    with tracing() as app:
        for _ in range(4):
            app.span("x")
    many = "mapping: m\non: span\nmatch: {name: x}\nemit:\n" + (
        "  - {event: visible, occurred_at: end, fields: {workflow_type: o, instance_id: i}}\n" * 3
    )
    with pytest.raises(BodyTooLarge, match="more than 8 events"):
        mapped(app, many, limits=Limits(records=4))


LOGS = """\
mapping: shown
on: log
match: {event_name: order.shown, scope: {prefix: shop}, severity: {not: DEBUG}}
emit:
  - event: visible
    fields:
      workflow_type: order
      instance_id: [{attribute: order.id}, {log: body, after: "order "}]
      reason: {template: "{log:severity} {log:scope}"}
"""


def log(index: int, name: str, **given: Any) -> Record:
    given = {"attributes": {"order.id": "o-7"}, "resource": {}, "scope": "shop.x", **given}
    return Record(index=index, door=Door.OTLP, event_name=name, occurred_at=NANOS, **given)


def test_logs_become_events() -> None:
    records = [
        log(0, "donewatch.visible"),
        log(1, "order.shown", severity="INFO", trace_id="ab" * 16),
        log(2, "order.shown", attributes={}, body="order o-8"),
        log(3, "order.shown", scope="bank"),
        log(4, "order.shown", attributes={}),
        log(5, "donewatch.visibel"),
        log(6, "", flaw=Flaw(Reason.REPEATED, "x", "is given more than once")),
    ]
    found = map_logs(records, mapper(LOGS))
    assert found.total == 7
    assert found.records[0] is records[0], "our own are not looked at"
    assert [each.index for each in found.records] == [0, 1, 2, 3, 5, 6]
    assert [each.refusal.index for each in found.lacking] == [4]
    first, second = found.records[1:3]
    assert first.event_name == "donewatch.visible"
    assert first.attributes["donewatch.reason"] == "INFO shop.x"
    assert (first.trace_id, first.occurred_at) == ("ab" * 16, NANOS)
    assert second.attributes["donewatch.instance.id"] == "o-8"
    ignoring = map_logs(records, mapper(LOGS + "otherwise: ignore\n"))
    assert [each.index for each in ignoring.records] == [0, 1, 2, 5], "a misspelt one of ours stays"
    assert ignoring.ignored == 2


def test_without_mappings_logs_are_as_they_were_and_spans_are_nobodys() -> None:
    records = [log(0, "x"), log(1, "")]
    assert map_logs(records, mapper()).records == records
    with tracing() as app:
        app.span("x")
        found = mapped(app)
    assert (found.total, found.ignored, found.records) == (1, 1, [])


def test_a_log_without_a_time_happened_when_it_was_observed() -> None:
    record = log(0, "order.shown")
    record.occurred_at, record.observed_at = None, NANOS + 5
    (found,) = map_logs([record], mapper(LOGS)).records
    assert found.occurred_at == NANOS + 5

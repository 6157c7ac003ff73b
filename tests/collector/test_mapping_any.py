"""Whatever is observed and whatever a mapping says: the same result again, and never an error."""

import contextlib
import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.check import Checker
from collector.limits import Limits
from collector.mapping import Mapped, Mapper, map_logs
from collector.mapping.preview import preview
from collector.mapping.shipped import SHIPPED
from collector.otlp_json import decode_json
from collector.records import BodyError, Reason, Refusal
from lifecycle.errors import DocumentError
from lifecycle.events import EventKind, fields_of, is_required
from lifecycle.mapping import KINDS, OWN, STATUSES, Signal
from lifecycle.mapping_files import read_mapping
from tests.collector.senders import NANOS, NOW
from tests.collector.spans import map_json, map_protobuf

patient = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
LIMITS = Limits()
SHIPPED_ONES = [read_mapping(text, "m.yaml") for text in SHIPPED.values()]
NAMES = ("a", "b", "order.id", "celery.action", "messaging.system", "donewatch.workflow.type", "")

texts = st.text(max_size=6) | st.sampled_from(
    ["x", "run", "apply_async", "order", "7", "-1", "é\0"]
)
keys = st.sampled_from(NAMES)
values = st.recursive(
    st.just({})
    | st.builds(lambda value: {"stringValue": value}, texts)
    | st.builds(lambda value: {"intValue": value}, st.integers(-(2**63), 2**63 - 1).map(str))
    | st.builds(
        lambda value: {"doubleValue": value},
        st.floats(allow_nan=False, allow_infinity=False) | texts,
    )
    | st.builds(lambda value: {"boolValue": value}, st.booleans())
    | st.builds(lambda value: {"bytesValue": value}, texts),
    lambda inner: (
        st.builds(lambda value: {"arrayValue": {"values": value}}, st.lists(inner, max_size=3))
        | st.builds(
            lambda value: {"kvlistValue": {"values": [{"key": "k", "value": value}]}}, inner
        )
    ),
    max_leaves=4,
)
pairs = st.lists(st.fixed_dictionaries({"key": keys, "value": values}), max_size=6)
times = st.sampled_from([0, NANOS, str(NANOS + 5), 2**64 - 1, ""]) | st.integers() | texts
ids = st.sampled_from(["", "ab" * 16, "cd" * 8, "zz", "AB" * 16]) | texts
span_likes = st.fixed_dictionaries(
    {"name": texts, "attributes": pairs},
    optional={
        "kind": st.integers(-2, 9) | st.sampled_from(["SPAN_KIND_CONSUMER", "x", None]),
        "traceId": ids,
        "spanId": ids,
        "parentSpanId": ids,
        "startTimeUnixNano": times,
        "endTimeUnixNano": times,
        "status": st.fixed_dictionaries(
            {}, optional={"code": st.integers(-1, 4), "message": texts}
        ),
        "events": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["exception", "x"]), "attributes": pairs}
            ),
            max_size=2,
        ),
    },
)
log_likes = st.fixed_dictionaries(
    {"attributes": pairs},
    optional={
        "eventName": st.sampled_from(["donewatch.job", "x", ""]),
        "timeUnixNano": times,
        "traceId": ids,
        "body": values | texts,
        "severityText": texts,
    },
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "resource": st.fixed_dictionaries({"attributes": pairs}),
        "scope": st.fixed_dictionaries({"name": texts}) | texts,
    },
)


words = st.sampled_from(["x", "7", "order"])


@cache
def conditions(signal: Signal) -> st.SearchStrategy[dict[str, Any]]:
    test = (
        words
        | st.lists(words, min_size=1, max_size=2)
        | st.fixed_dictionaries({"exists": st.booleans()})
        | st.fixed_dictionaries({"not": words})
        | st.fixed_dictionaries({"prefix": words, "matches": st.sampled_from(["^x", "(a|b)*$"])})
    )
    named = st.dictionaries(keys.filter(bool), test, min_size=1, max_size=2)
    own = {name: test for name in OWN[signal] if name not in ("kind", "status")}
    if signal is Signal.SPAN:
        own |= {"kind": st.sampled_from(KINDS), "status": st.sampled_from(STATUSES)}
    return st.fixed_dictionaries({}, optional={**own, "attributes": named, "resource": named})


@cache
def sources(signal: Signal) -> st.SearchStrategy[Any]:
    places: list[st.SearchStrategy[dict[str, Any]]] = [
        st.fixed_dictionaries({"attribute": keys.filter(bool)}),
        st.fixed_dictionaries({"resource": keys.filter(bool)}),
        st.fixed_dictionaries({str(signal): st.sampled_from(OWN[signal])}),
        st.sampled_from(["{a}-{b}", "{resource:a}", "{{{a}}}"]).map(
            lambda text: {"template": text}
        ),
    ]
    changes = st.fixed_dictionaries(
        {}, optional={"after": words, "before": words, "required": st.just(True)}
    )
    one = st.builds(lambda place, change: {**place, **change}, st.one_of(places), changes)
    return words | one | st.lists(one, min_size=1, max_size=2)


@st.composite
def mappings(draw: st.DrawFn, signal: Signal) -> str:
    emits = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(EventKind))
        fields = {
            name: draw(st.sampled_from(field.choices) if field.choices else sources(signal))
            for name, field in fields_of(kind).items()
            if field.type == "string" and (is_required(field, kind) or draw(st.booleans()))
        }
        emit: dict[str, Any] = {"event": kind.value, "fields": fields}
        if signal is Signal.SPAN:
            emit["occurred_at"] = draw(st.sampled_from(["start", "end"]))
        if draw(st.booleans()):
            emit["when"] = draw(conditions(signal).filter(bool))
        if draw(st.booleans()):
            emit["keep"] = draw(st.lists(keys.filter(bool), max_size=3))
        emits.append(emit)
    mapping: dict[str, Any] = {
        "mapping": "m",
        "on": str(signal),
        "match": draw(conditions(signal).filter(bool)),
        "emit": emits,
    }
    if signal is Signal.LOG and draw(st.booleans()):
        mapping["otherwise"] = "ignore"
    return json.dumps(mapping)  # which is YAML as well


def plain(found: Mapped) -> Any:
    """Comparable: an exception equals itself alone."""
    records = [replace(each, flaw=None) for each in found.records]
    return replace(found, records=records), [str(each.flaw) for each in found.records]


def outcome(found: Mapped, total: int) -> None:
    """What holds of whatever was made."""
    assert found.total == total
    touched = {each.index for each in found.records}
    touched |= {each.refusal.index for each in found.lacking}
    assert len(touched) + found.ignored == total, "each record is in one place"
    check = Checker(tenant="t", collector="c", received_at=NOW, limits=LIMITS)
    for record in found.records:
        result = check(record)
        if isinstance(result, Refusal) and record.flaw is None and record.event_name != "x":
            # what a mapping reads it checks; what came with the record the check alone does
            assert result.reason in (
                *(Reason.CHARACTERS, Reason.TIME, Reason.TYPE, Reason.TOO_LARGE),
                *(Reason.UNKNOWN_EVENT, Reason.MISSING, Reason.LENGTH, Reason.CHOICE, Reason.RANGE),
            )
    for each in found.lacking:
        assert each.refusal.reason is Reason.UNMAPPED
        assert each.field in each.refusal.error


@patient
@given(
    said=st.lists(mappings(Signal.SPAN), max_size=2),
    spans=st.lists(span_likes, max_size=4),
    around=bodies,
)
def test_any_spans_by_any_mapping(said: list[str], spans: list[Any], around: Any) -> None:
    mapper = Mapper([*(read_mapping(text, "m.yaml") for text in said), *SHIPPED_ONES])
    scope = {"scope": around.get("scope", {}), "spans": spans}
    body = json.dumps(
        {"resourceSpans": [{"resource": around.get("resource"), "scopeSpans": [scope]}]}
    ).encode()
    found = map_json(body, LIMITS, mapper)
    outcome(found, len(spans))
    assert plain(found) == plain(map_json(body, LIMITS, mapper))
    shown = list(preview(body, mapper, LIMITS, NOW))
    assert len(shown) == len(spans)
    assert sum(bool(each.ignored) for each in shown) == found.ignored


@patient
@given(
    said=st.lists(mappings(Signal.LOG), max_size=2),
    logs=st.lists(log_likes, max_size=4),
    around=bodies,
)
def test_any_logs_by_any_mapping(said: list[str], logs: list[Any], around: Any) -> None:
    mapper = Mapper(read_mapping(text, "m.yaml") for text in said)
    scope = {"scope": around.get("scope", {}), "logRecords": logs}
    body = json.dumps(
        {"resourceLogs": [{"resource": around.get("resource"), "scopeLogs": [scope]}]}
    ).encode()
    found = map_logs(decode_json(body, LIMITS), mapper)
    outcome(found, len(logs))
    assert plain(found) == plain(map_logs(decode_json(body, LIMITS), mapper))
    assert len(list(preview(body, mapper, LIMITS, NOW))) == len(logs)


@patient
@given(content=st.binary(max_size=80))
def test_any_bytes(content: bytes) -> None:
    mapper = Mapper(SHIPPED_ONES)
    for read in (map_protobuf, map_json):
        try:
            found = read(content, LIMITS, mapper)
        except BodyError:
            continue
        assert found.total >= found.ignored
    with contextlib.suppress(BodyError):
        list(preview(content, mapper, LIMITS, NOW))


broken = st.sampled_from(list(SHIPPED.values())).flatmap(
    lambda text: st.builds(
        lambda at, cut, put: text[:at] + put + text[at + cut :],
        st.integers(0, len(text)),
        st.integers(0, 40),
        st.text(max_size=4) | st.sampled_from(["{", "[", "- ", ": ", "&a ", "*a", "!!x ", "\n"]),
    )
)


@patient
@given(text=broken)
def test_any_file_is_read_or_its_mistakes_are_told(text: str) -> None:
    try:
        mapping = read_mapping(text, "m.yaml")
    except DocumentError as error:
        assert all(problem.line >= 1 and problem.column >= 1 for problem in error.problems)
    else:
        assert mapping.emit


@pytest.mark.parametrize(
    "value",
    [
        pytest.param('{"arrayValue":{"values":[' * 60 + "]}}" * 60, id="arrays in arrays"),
        pytest.param('{"stringValue":"%s"}' % ("x" * 1_000_000), id="a text of a megabyte"),
    ],
)
def test_hostile_attributes(value: str) -> None:
    mapping = read_mapping(
        '{mapping: m, on: span, match: {attributes: {a: {exists: true}, b: {matches: "(x+x+)+y"}}},'
        " emit: [{event: visible, occurred_at: end,"
        " fields: {workflow_type: o, instance_id: {template: 'i{a}'}}}]}",
        "m.yaml",
    )
    body = (
        '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x","attributes":'
        f'[{{"key":"a","value":{value}}},{{"key":"b","value":{{"stringValue":"{"x" * 4000}"}}}}]}}'
        "]}]}]}"
    )
    found = map_json(body.encode(), LIMITS, Mapper([mapping]))
    assert (found.total, found.ignored) == (1, 1)

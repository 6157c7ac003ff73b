"""`donewatch map`: what a captured body would become."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from tests.collector.senders import JOB, TRANSITION, native, native_array, otlp_json, otlp_protobuf
from tests.collector.spans import traces_json, traces_protobuf, tracing

CELERY = Path(__file__).parents[1] / "collector" / "captured" / "celery.json"
MAPPING = """\
mapping: orders
on: span
match: {name: {prefix: "order "}, kind: internal}
emit:
  - event: visible
    when: {status: {not: error}}
    occurred_at: end
    fields: {workflow_type: order, instance_id: {attribute: order.id}}
"""
LOGS = """\
mapping: shown
on: log
otherwise: ignore
match: {event_name: order.shown}
emit:
  - event: visible
    fields: {workflow_type: order, instance_id: {attribute: order.id}}
"""

Run = Callable[..., Result]


@pytest.fixture
def run(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in an empty directory; gives bytes to it as a file, or as standard input."""
    for name in ("DONEWATCH_MAPPINGS_DIR", "DONEWATCH_COLLECTOR__MAPPINGS"):
        monkeypatch.delenv(name, raising=False)

    def invoke(
        body: bytes | None, *options: str, text: bytes | None = None, **environment: str
    ) -> Result:
        if body is not None:
            (workdir / "body").write_bytes(body)
        file = "-" if text is not None else "body"
        found = CliRunner().invoke(app, ["map", file, *options], input=text, env=environment)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    return invoke


def spans() -> dict[str, bytes]:
    """Four spans: one is mapped, one lacks its id, one is not matched, one not called for."""
    with tracing(service__name="shop") as app_:
        app_.span("order shown", attributes={"order.id": "o-7"})
        app_.span("order shown")
        app_.span("GET /")
        app_.span("order shown", error=ValueError("no"))
        request = app_.request
    return {
        "protobuf": traces_protobuf(request).content,
        "json": traces_json(request).content,
        "json after a line feed": b"\n " + traces_json(request).content,
        "a mark before json": b"\xef\xbb\xbf" + traces_json(request).content,
    }


def result(found: Result) -> dict[str, Any]:
    return json.loads(found.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("encoding", spans())
@pytest.mark.parametrize("packed", [False, True])
def test_spans(run: Run, workdir: Path, encoding: str, packed: bool) -> None:
    body = spans()[encoding]
    (workdir / "orders.yaml").write_text(MAPPING)
    found = run(gzip.compress(body) if packed else body, "--mapping", "orders.yaml", "--json")
    assert found.exit_code == 1
    told = result(found)
    (event,) = told["events"]
    assert {name: event[name] for name in ("record", "kind", "name", "mapping", "event")} == {
        "record": 0,
        "kind": "span",
        "name": "order shown",
        "mapping": "orders",
        "event": "visible",
    }
    assert (event["workflow_type"], event["instance_id"]) == ("order", "o-7")
    assert event["occurred_at"] == "2026-03-01T12:00:01Z"
    assert told["records"] == 4
    assert [(each["record"], each["error"]) for each in told["unmapped"]] == [
        (1, "mapping 'orders', event 1: instance_id has no value in attribute order.id")
    ]
    assert [(each["record"], each["reasons"]) for each in told["ignored"]] == [
        (2, ["orders: name is 'GET /'"]),
        (3, ["orders: `when` holds for none of its events"]),
    ]
    assert told["refused"] == []


def test_for_a_person(run: Run, workdir: Path) -> None:
    (workdir / "orders.yaml").write_text(MAPPING)
    found = run(spans()["json"], "--mapping", "orders.yaml")
    lines = [line.split() for line in found.stdout.splitlines()]
    assert lines[0] == ["record", "name", "becomes", "workflow", "instance", "at", "with"]
    assert lines[1][:8] == ["span", "0", "order", "shown", "visible", "order", "o-7", lines[1][7]]
    assert [line[4] for line in lines[1:] if line[2] == "order"] == [
        "visible",
        "unmapped",
        "ignored",
    ]
    assert found.stderr == ("donewatch: 4 records: 1 event, 1 unmapped, 0 refused, 2 ignored\n")


def test_a_shipped_mapping_by_its_name(run: Run) -> None:
    found = run(CELERY.read_bytes(), "--mapping", "celery", "--json")
    told = result(found)
    assert (len(told["events"]), len(told["unmapped"]), found.exit_code) == (30, 2, 1)
    assert told["events"][-1]["attributes"] == {"celery.hostname": "celery@worker-1"}


def test_the_mappings_of_the_settings_unless_others_are_named(run: Run, workdir: Path) -> None:
    found = run(CELERY.read_bytes(), "--json")
    assert found.exit_code == 0
    assert len(result(found)["ignored"]) == 22
    assert "no mapping is in force" in found.stderr
    found = run(None, "--json", DONEWATCH_COLLECTOR__MAPPINGS='["celery"]')
    assert len(result(found)["events"]) == 30
    (workdir / "mappings").mkdir()
    (workdir / "mappings" / "a.yaml").write_text(
        MAPPING.replace('{prefix: "order "}', "{prefix: run/}").replace("internal", "consumer")
    )
    found = run(None, "--json", DONEWATCH_COLLECTOR__MAPPINGS='["celery"]')
    assert {each["name"][:4] for each in result(found)["unmapped"]} == {"run/", "appl"}
    assert {each["mapping"] for each in result(found)["events"]} == {"celery"}
    (workdir / "mappings" / "b.yaml").write_text("mapping: b\n")
    found = run(None, "--json")
    assert "not in force: mappings/b.yaml:1:1: on is missing" in found.stderr


@pytest.mark.parametrize("send", [otlp_protobuf, otlp_json])
def test_logs(run: Run, workdir: Path, send: Callable[..., Any]) -> None:
    (workdir / "shown.yaml").write_text(LOGS)
    body = send([TRANSITION, {**JOB, "job_state": "strated"}]).content
    found = run(body, "--mapping", "shown.yaml", "--json")
    told = result(found)
    assert [each["event"] for each in told["events"]] == ["transition"]
    assert [each["error"][:42] for each in told["refused"]] == [
        "donewatch.job.state is 'strated'; it must "
    ]
    foreign = body.replace(b"donewatch.transition", b"donewatcx.transition")
    assert foreign != body
    told = result(run(foreign, "--mapping", "shown.yaml", "--json"))
    assert [each["reasons"] for each in told["ignored"]] == [
        ["shown: event_name is 'donewatcx.transition'"]
    ]
    told = result(run(foreign, "--json"))
    assert (told["ignored"], len(told["refused"])) == ([], 2), "as without mappings they are"


def test_a_log_that_is_mapped(run: Run, workdir: Path) -> None:
    (workdir / "shown.yaml").write_text(LOGS)
    record = {"eventName": "order.shown", "timeUnixNano": "1772366400000000000"}
    pair = {"key": "order.id", "value": {"stringValue": "o-7"}}
    records = [{**record, "attributes": [pair]}, record, {"body": {"stringValue": "hello"}}]
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]})
    told = result(run(body.encode(), "--mapping", "shown.yaml", "--json"))
    assert [(each["instance_id"], each["mapping"]) for each in told["events"]] == [("o-7", "shown")]
    assert [each["record"] for each in told["unmapped"]] == [1]
    assert [(each["name"], each["reasons"]) for each in told["ignored"]] == [
        ("hello", ["shown: event_name is missing"])
    ]


@pytest.mark.parametrize("send", [native, native_array])
def test_native_events_from_standard_input(run: Run, send: Callable[..., Any]) -> None:
    body = send([TRANSITION, {**JOB, "attemp": 1}]).content
    told = result(run(None, "--json", text=body))
    assert [each["event"] for each in told["events"]] == ["transition"]
    assert "did you mean 'attempt'?" in told["refused"][0]["error"]


def test_requests_line_by_line(run: Run, workdir: Path) -> None:
    """As OpenTelemetry's collector writes them into files."""
    (workdir / "orders.yaml").write_text(MAPPING)
    traces = json.dumps(json.loads(spans()["json"]))
    logs = json.dumps(json.loads(otlp_json([TRANSITION]).content))
    body = f"{traces}\n\n{logs}\n{traces}\n".encode()
    told = result(run(body, "--mapping", "orders.yaml", "--json"))
    assert told["records"] == 9
    assert [(each["record"], each["event"]) for each in told["events"]] == [
        (0, "visible"),
        (4, "transition"),
        (5, "visible"),
    ]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(b"", "body is empty", id="nothing"),
        pytest.param(b"\x1f\x8b\x08junk", "is not gzip, though it begins so", id="no gzip"),
        pytest.param(gzip.compress(b"x" * 999)[:-9], "is gzip, and cut short", id="half a gzip"),
        pytest.param(b"\x00\x01\x02", "not an ExportLogsServiceRequest", id="junk"),
        pytest.param(b'{"resourceMetrics": []}', "begins with resourceSpans", id="metrics"),
        pytest.param(b'{"resourceSpans": 7}', "resourceSpans", id="a wrong type"),
    ],
)
def test_a_body_that_cannot_be_read(run: Run, body: bytes, told: str) -> None:
    found = run(body, "--mapping", "celery")
    assert (found.exit_code, found.stdout) == (2, "")
    assert told in found.stderr


def test_a_mapping_that_cannot_be_had(run: Run, workdir: Path) -> None:
    found = run(b"{}", "--mapping", "celry")
    assert found.exit_code == 2
    assert "--mapping celry: cannot be read" in found.stderr
    assert "did you mean 'celery'?" in found.stderr
    (workdir / "wrong.yaml").write_text(MAPPING.replace("prefix", "prefx"))
    found = run(b"{}", "--mapping", "wrong.yaml")
    assert found.exit_code == 2
    assert "wrong.yaml:3:16: unknown key 'prefx' (did you mean 'prefix'?)" in found.stderr
    found = CliRunner().invoke(app, ["map", "nowhere"])
    assert found.exit_code == 2
    assert "nowhere cannot be read: No such file" in found.stderr


def test_a_body_from_anywhere_does_not_steer_the_terminal(run: Run) -> None:
    body = json.dumps({"event": "job\x1b[2J", "instance_id": "\x1b]0;x\x07"}).encode()
    found = run(body)
    assert "\x1b" not in found.stdout + found.stderr
    assert "\\x1b" in found.stdout

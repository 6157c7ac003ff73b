"""``donewatch import`` into a running service: what it then shows of files and of snapshots."""

import csv
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from tests.peers.donewatch import Donewatch, until
from tests.service_cli.orders import ago, transition

DEFINITION = """\
workflow: legacy
version: "1"
lateness: 0s
stuck_after: 30d
states:
  submitted: {status: accepted, stuck_after: 2m}
  review: {status: blocked, stuck_after: 4h}
  done: {status: completed, terminal: true}
transitions:
  - {action: submit, to: submitted}
  - {action: hold, from: submitted, to: review}
  - {action: finish, from: review, to: done}
"""

pytestmark = pytest.mark.system
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Donewatch]:
    """A service of its own: what is imported here would be stuck in the tests of others."""
    service = Donewatch(tmp_path_factory.mktemp("service"))
    (service.workflows / "legacy.yaml").write_text(DEFINITION)
    try:
        yield service.start()
    finally:
        service.close()


@pytest.fixture
def run(service: Donewatch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    for name in [name for name in os.environ if name.startswith("DONEWATCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DONEWATCH_URL", service.pages)
    monkeypatch.setenv("DONEWATCH_ENDPOINT", service.otlp)
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, text: str | None = None) -> Result:
        found = CliRunner().invoke(app, arguments, input=text)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    return invoke


def events(service: Donewatch, workflow: str, instance: str) -> list[dict[str, Any]]:
    """The events that are stored of one instance."""
    answer = service.get(f"/api/v1/instances/{workflow}/{instance}")
    return [each["fields"] for each in answer.json().get("events", [])]


def test_lines_and_rows_twice_are_there_once(run: Run, service: Donewatch, tmp_path: Path) -> None:
    given = [
        transition("i-1", "", "a", ago(minutes=3), workflow_type="imported", action="submit"),
        transition(
            "i-1", "a", "b", ago(minutes=2), workflow_type="imported", attributes={"n": "7"}
        ),
    ]
    (tmp_path / "a.ndjson").write_text("\n".join(map(json.dumps, given)))
    names = [name for name in given[0] if name != "event"]
    with (tmp_path / "b.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, ["instance", "n", *names[:1], *names[2:], "x"])
        rows.writeheader()
        for each in given:
            row = {name: text for name, text in each.items() if name in names}
            row["instance"] = row.pop("instance_id")
            row.pop("attributes", None)
            rows.writerow({**row, "n": each.get("attributes", {}).get("n", "")})
    column = ["--column", "instance=instance_id"]
    for arguments in (
        ["a.ndjson"],
        ["b.csv", *column],
        ["a.ndjson", "--again"],
        ["b.csv", *column],
    ):
        found = run("import", *arguments)
        assert found.exit_code == 0, found.output
        assert "2 accepted, 0 rejected" in found.stdout
    found = run("import", "-", "--format", "ndjson", text="\n".join(map(json.dumps, given)))
    assert found.exit_code == 0, found.output

    stored = until(lambda: events(service, "imported", "i-1"), what="the events")
    assert [(event.get("from", ""), event["to"]) for event in stored] == [("", "a"), ("a", "b")]


WRONG = [
    pytest.param([], "Missing argument", id="no file"),
    pytest.param(["no.csv"], "no.csv cannot be read: No such file or directory", id="no such file"),
    pytest.param(["."], ". is a folder; name the files in it", id="a folder"),
    pytest.param(["f.csv", "--column", "a"], "--column: 'a' is no COLUMN=FIELD", id="half a pair"),
    pytest.param(["f.csv", "--set", "=b"], "--set: '=b' is no FIELD=VALUE", id="no field"),
    pytest.param(["f.csv", "--delimiter", "ab"], "--delimiter: 'ab' is none", id="two signs"),
    pytest.param(["f.csv", "--zone", "Berlin"], "did you mean 'Europe/Berlin'?", id="no zone"),
    pytest.param(
        ["f.csv", "--patience", "x"], "--patience: 'x' is not a duration", id="no duration"
    ),
    pytest.param(
        ["f.csv", "--aside", "no"], "--aside: no is no folder; make it first", id="no folder"
    ),
    pytest.param(["f.csv", "f.csv"], "f.csv is named twice", id="a file twice"),
    pytest.param(["-", "--format", "xes"], "--format: there is no 'xes'", id="no such format"),
    pytest.param(
        ["f.csv", "--to", "somewhere"], "--to or DONEWATCH_ENDPOINT: 'somewhere'", id="no URL"
    ),
    pytest.param(
        ["f.csv", "--to", "http://127.0.0.1:1"], "start one with `donewatch up`", id="nobody there"
    ),
    pytest.param(["f.csv", "--column", "b=to"], "f.csv has no column 'b'", id="no such column"),
]


@pytest.mark.parametrize(("arguments", "told"), WRONG)
def test_what_is_mistyped_is_told(
    run: Run, tmp_path: Path, arguments: list[str], told: str
) -> None:
    (tmp_path / "f.csv").write_text("workflow_type,instance_id,to\n")
    found = run("import", *arguments)
    assert found.exit_code == 2 and told in found.stderr, found.output
    assert "Traceback" not in found.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["f.csv"]


def test_the_port_of_the_pages_takes_no_events(
    run: Run, service: Donewatch, tmp_path: Path
) -> None:
    (tmp_path / "f.csv").write_text("workflow_type,instance_id,to\n")
    found = run("import", "f.csv", "--to", service.pages)
    assert found.exit_code == 2 and "name the collector's port with --to" in found.stderr


def open_instances() -> str:
    rows = [
        ["type", "instance_id", "state", "since", "environment", "customer"],
        ["legacy", "s-40d", "review", ago(days=40), "production", "c-1"],
        ["legacy", "s-5h", "review", ago(hours=5), "production", ""],
        ["legacy", "s-1h", "review", ago(hours=1), "production", ""],
        ["legacy", "s-known", "review", ago(hours=6), "production", ""],
        ["legacy", "s-future", "review", ago(hours=-1), "production", ""],
        ["legacy", "s-none", "review", "lately", "production", ""],
    ]
    return "".join(",".join(row) + "\n" for row in rows)


def stuck(run: Run) -> dict[str, dict[str, Any]]:
    items = json.loads(run("stuck", "--workflow", "legacy", "--json").stdout)["items"]
    return {item["instance_id"]: item for item in items}


def test_a_snapshot_is_stuck_by_its_age_and_judged_by_nothing(
    run: Run, service: Donewatch, tmp_path: Path
) -> None:
    known = {"workflow_type": "legacy", "environment": "production"}
    service.take(
        transition("s-known", "", "submitted", ago(hours=8), action="submit", **known),
        transition("s-known", "submitted", "review", ago(hours=7), action="hold", **known),
    )
    (tmp_path / "open.csv").write_text(open_instances())
    for _ in range(2):  # the same again is the same
        found = run("import", "open.csv", "--snapshot", "--column", "type=workflow_type")
        assert found.exit_code == 1
        assert "4 accepted, 2 rejected (2 time)" in found.stdout
        assert "open.csv:6: since lies in the future" in found.stdout
        assert "open.csv:7: since is 'lately'; write RFC 3339" in found.stdout

    def all_stuck() -> dict[str, dict[str, Any]]:
        items = stuck(run)
        return items if len(items) == 3 else {}

    items = until(all_stuck, what="three that are stuck")
    day = 86_400
    assert {name: item["age_seconds"] / 3600 for name, item in items.items()} == {
        "s-40d": pytest.approx(40 * day / 3600, abs=0.1),
        "s-5h": pytest.approx(5, abs=0.1),
        "s-known": pytest.approx(7, abs=0.1),  # by its own events, which came first
    }
    # the whole run's limit is 30 days, but when it began nobody saw
    assert items["s-40d"]["limit_seconds"] == 4 * 3600

    service.take(
        transition("s-5h", "review", "done", ago(seconds=1), action="finish", **known),
        transition("s-1h", "review", "done", ago(seconds=1), action="finish", **known),
    )

    def figures() -> dict[str, Any]:
        found = service.api("/workflows/legacy?from=2026-01-01T00:00:00Z")
        finished = sum(edge["count"] for edge in found["edges"] if edge["action"] == "finish")
        return dict(found) if finished == 2 else {}

    found = until(figures, what="the ends of two")
    edges = {edge["action"]: edge for edge in found["edges"]}
    assert edges["snapshot"]["declared"] is None and edges["snapshot"]["count"] == 4
    assert edges["finish"]["declared"] is True
    judged = found["illegal_transitions"]
    assert (judged["illegal"], judged["unjudged"]) == (0, 4)
    # s-known alone has a beginning that was seen
    lag = found["completion_lag"]
    assert (lag["runs"], lag["completed"], lag["unseen"]) == (1, 0, 3)
    assert set(until(lambda: stuck(run), what="what is stuck")) == {"s-40d", "s-known"}
    event = events(service, "legacy", "s-40d")[0]
    assert (event["class"], event["action"], event["actor_type"]) == (
        "replay",
        "snapshot",
        "system",
    )
    assert event["attributes"] == {"customer": "c-1"}

"""Collector, rule engine and pages as three processes on one ClickHouse server."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli import app
from tests.peers.clickhouse import clickhouse_server
from tests.peers.donewatch import until
from tests.peers.webhook import Webhook
from tests.service_cli.orders import DEFINITION, ago, transition
from tests.service_cli.parts import Part

RULES = """\
groups:
  - name: orders
    interval: 200ms
    rules:
      - alert: TooLong
        stuck: {workflow: order, state: submitted, longer_than: 1s}
        annotations: {summary: "{{ count }} orders wait"}
"""

pytestmark = pytest.mark.system
Make = Callable[..., Part]


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with Webhook() as found:
        yield found


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Prepares parts on a server of their own, with an empty database."""
    made: list[Part] = []
    with clickhouse_server(tmp_path / "server") as server:

        def prepare(command: str, name: str = "", **settings: Any) -> Part:
            part = Part(command, tmp_path / name, STORE__DSN=server.dsn, **settings)
            made.append(part)
            return part

        yield prepare
        for part in made:
            part.close()


def test_in_at_one_told_by_the_second_shown_by_the_third(make: Make, hook: Webhook) -> None:
    pages_url = "https://donewatch.example"
    collector, api = make("collector"), make("api")
    rules = make("rules", EXTERNAL_URL=pages_url, NOTIFY__WEBHOOKS=[hook.url])
    (rules.workflows / "order.yaml").write_text(DEFINITION)
    (rules.rules / "orders.yaml").write_text(RULES)
    parts = [collector, rules, api]
    for part in parts:  # at once: all of them find an empty database
        part.begin()
    for part in parts:
        part.wait_ready()

    collector.take(
        transition("o-1", "", "submitted", ago(seconds=5), action="submit"),
        transition("o-2", "", "submitted", ago(seconds=5), action="submit"),
        transition("o-2", "submitted", "done", ago(seconds=4), action="cheat"),
    )
    (told,) = until(lambda: hook.alerts("TooLong"), what="the alert")
    assert told["status"] == "firing" and told["annotations"]["summary"] == "1 orders wait"
    assert told["generatorURL"].startswith(pages_url)

    alert = api.wait_alert("TooLong", "firing")
    assert [member["instance_id"] for member in alert["members"]] == ["o-1"]
    history = api.items(f"/alerts/{alert['fingerprint']}/history")
    assert [change["state"] for change in history][-1] == "firing"
    until(lambda: (api.rule("TooLong") or {}).get("verdict") == "firing", what="the verdict")
    assert api.wait_evaluated("TooLong")["interval"] == 0.2
    figures = api.api("/workflows/order")
    assert figures["version"] == "1"
    assert [edge["declared"] for edge in figures["edges"] if edge["action"] == "cheat"] == [False]
    assert until(lambda: api.get("/readyz").json()["ready"], what="readiness")
    assert api.get("/alerts").status_code == api.get("/ingest").status_code == 200
    streamed = CliRunner().invoke(
        app, ["tail", "--url", api.pages, "--since", "1h", "--count", "3", "--json"]
    )
    assert [json.loads(line)["instance_id"] for line in streamed.stdout.splitlines()] == [
        "o-1",
        "o-2",
        "o-2",
    ]

    newer = DEFINITION.replace('version: "1"', 'version: "2"').replace("done:", "finished:")
    (rules.workflows / "order.yaml").write_text(newer.replace("to: done", "to: finished"))
    (rules.rules / "orders.yaml").write_text(RULES.replace("TooLong", "FarTooLong"))
    (rules.rules / "broken.yaml").write_text("groups: 7\n")
    until(lambda: api.api("/workflows/order")["version"] == "2", what="the new definition")
    until(lambda: api.rule("FarTooLong"), what="the new rule")
    assert until(lambda: [each for each in api.items("/rules") if each["kind"] == "file"])
    assert api.rule("TooLong") is None

    assert [part.stop() for part in parts] == [0, 0, 0]
    assert all("Traceback" not in part.log for part in parts), [part.log for part in parts]


def test_two_collectors_feed_one_store_but_not_from_one_directory(make: Make) -> None:
    one, two, api = make("collector"), make("collector", "two"), make("api")
    rules = make("rules", "three")
    for part in (one, two, rules, api):
        part.start()
    one.take(transition("o-1", "", "submitted", ago(seconds=1)))
    two.take(transition("o-2", "", "submitted", ago(seconds=1)))
    found = until(lambda: len(api.items("/instances")) == 2 and api.items("/instances"))
    assert {item["instance_id"] for item in found or []} == {"o-1", "o-2"}
    third = make("collector", DATA_DIR=one.data).begin()
    assert third.wait() == 2
    assert f"process {one.pid}" in third.log and "DONEWATCH_DATA_DIR" in third.log
    assert one.running and [part.stop() for part in (one, two, rules, api)] == [0] * 4


def test_pages_without_rules_are_not_ready_and_say_so(make: Make) -> None:
    collector, api = make("collector").start(), make("api").start()
    collector.take(transition("o-1", "", "submitted", ago(seconds=1)))
    assert api.items("/rules") == api.items("/alerts") == []
    found = until(
        lambda: next((c for c in api.get("/readyz").json()["checks"] if not c["ok"]), None),
        seconds=20,
    )
    assert found and found["name"] == "evaluation of default"
    assert "no rule was evaluated" in found["reason"]


@pytest.mark.parametrize("command", ["collector", "rules", "api"])
def test_told_to_stop_while_the_store_is_away(make: Make, command: str) -> None:
    part = make(command)
    part.settings["STORE__DSN"] = "http://127.0.0.1:9/donewatch"
    part.begin()
    until(lambda: "waiting for the store" in part.log, what="the remark")
    assert part.stop() == 0


@pytest.mark.parametrize("command", ["collector", "rules", "api"])
@pytest.mark.parametrize("dsn", ["", "chdb://memory", "chdb:///nowhere/at/all"])
def test_embedded_data_are_held_by_one(
    command: str, dsn: str, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DONEWATCH_STORE__DSN", dsn)
    found = CliRunner().invoke(app, [command])
    assert (found.exit_code, found.stdout) == (2, "")
    for part in (f"`donewatch {command}`", "`donewatch up`", "DONEWATCH_STORE__DSN", "chdb://"):
        assert part in found.stderr
    assert list(workdir.iterdir()) == []

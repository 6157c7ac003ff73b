"""``donewatch quarantine``: what the store refused is told, and asked for again."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from collector.spool.quarantine import Quarantine, Quarantined
from lifecycle.events import Event
from service.cli import app

EVENT = Event(
    tenant="t",
    event="visible",
    event_id="e-1",
    workflow_type="order",
    instance_id="o-\x1b[31m1",
    occurred_at=1,
    received_at=1,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The quarantine of a data directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DONEWATCH_DATA_DIR", str(tmp_path / "data"))
    folder = tmp_path / "data" / "spool" / "quarantine"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def full(folder: Path) -> Path:
    """With one record."""
    found = Quarantined.of(
        EVENT, segment=7, position=3, now=1_795_267_000_000_000, reason="bad row"
    )
    Quarantine(folder).add(found)
    return folder


def test_it_lists_each_with_the_reason(full: Path) -> None:
    found = CliRunner().invoke(app, ["quarantine"])
    assert found.exit_code == 1
    line, note = found.output.splitlines()
    assert line == r"2026-11-21 13:16:40Z  segment 7 row 3  order o-\x1b[31m1 e-1  bad row"
    assert note == f"donewatch: 1 record in {full}"


def test_as_json(full: Path) -> None:
    found = CliRunner().invoke(app, ["quarantine", "list", "--json"])
    assert found.exit_code == 1
    answer = json.loads(found.output)
    assert answer["total"] == 1
    (item,) = answer["items"]
    assert item["record"]["event_id"] == "e-1"
    assert (item["segment"], item["position"], item["reason"]) == (7, 3, "bad row")


def test_retry_asks_the_collector(full: Path) -> None:
    found = CliRunner().invoke(app, ["quarantine", "retry"])
    assert found.exit_code == 0
    assert "1 record to be sent again" in found.output
    assert Quarantine(full).asked()


@pytest.mark.parametrize("action", ["list", "retry"])
def test_where_nothing_is_that_is_said(folder: Path, action: str) -> None:
    folder.rmdir()
    found = CliRunner().invoke(app, ["quarantine", action])
    assert found.exit_code == 0
    assert f"nothing is in {folder}" in found.output


def test_another_action_is_refused(folder: Path) -> None:
    found = CliRunner().invoke(app, ["quarantine", "burn"])
    assert found.exit_code == 2
    assert "retry" in found.output

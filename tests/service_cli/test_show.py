"""``donewatch show`` against a running service."""

import json
import re

import pytest

from tests.peers.donewatch import Donewatch
from tests.service_cli.orders import Run


def test_everything_about_one(run: Run, service: Donewatch) -> None:
    found = run("show", "order", "o-1", "--environment", "production")
    assert found.exit_code == 0, found.stderr
    text = found.stdout
    assert "processing  We wait." in text
    assert re.search("retry wait  waiting 4[0-9] min", text)  # and as long as the tests take
    assert "1 attempt failed with http_503" in text
    assert re.search("stuck    in payment_pending: 4[0-9] min.*, where 15 min are allowed", text)
    assert f"{service.pages}/instances/order/o-1?environment=production" in text
    for part in ("Visits", "Jobs", "Outbox", "Timeline (UTC)"):
        assert f"\n{part}\n" in text
    assert "charge_card  j-1  failed" in text and "2 of 5" in text
    assert "m-1      dispatched" in text
    order = ["created in submitted", "submitted → payment_pending", "charge_card failed"]
    places = [text.index(each) for each in order]
    assert places == sorted(places) and "\x1b" not in text


def test_an_undeclared_transition(run: Run) -> None:
    text = run("show", "order", "o-2").stdout
    assert "completed  It is done." in text and "held by" not in text
    assert "cheat, not declared" in text and "operator" in text


def test_an_id_in_two_environments(run: Run) -> None:
    text = run("show", "order", "o-1").stdout
    assert text.startswith("order  o-1  staging\n")
    assert "also in  production, staging  (choose with --environment)" in text


@pytest.mark.parametrize("environment", ["", "staging"])
def test_the_one_that_moved_last_unless_told(run: Run, environment: str) -> None:
    arguments = ["--environment", environment] if environment else []
    found = json.loads(run("show", "order", "o-1", "--json", *arguments).stdout)
    assert found["environment"] == "staging" and len(found["events"]) == 1


def test_ids_of_any_letters(run: Run, service: Donewatch) -> None:
    found = json.loads(run("show", "pay.out", "a/b ?é", "--json").stdout)
    assert found["instance_id"] == "a/b ?é"
    assert service.http.get(found["url"]).status_code == 200


MISSING = [
    pytest.param("order", "o-99", ["'o-99'", "check the id"], id="mistyped id"),
    pytest.param("ordr", "o-1", ["'ordr'", "did you mean 'order'?"], id="mistyped type"),
    pytest.param("zzz", "o-1", ["workflow type 'zzz'", "order, pay.out"], id="another type"),
    pytest.param("order", "..", ["'..'"], id="an id that paths resolve"),
    pytest.param("order", "o\x1b[31m", [r"o\x1b[31m"], id="an id that would colour the terminal"),
]


@pytest.mark.parametrize(("workflow", "instance", "told"), MISSING)
def test_no_such_one(run: Run, workflow: str, instance: str, told: list[str]) -> None:
    found = run("show", workflow, instance)
    assert (found.exit_code, found.stdout) == (1, "")
    assert all(each in found.stderr for each in told), found.stderr

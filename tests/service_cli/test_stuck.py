"""``donewatch stuck`` against a running service."""

import json
from typing import Any

import pytest

from tests.peers.donewatch import Donewatch
from tests.service_cli.orders import Run


def listed(run: Run, *arguments: str) -> list[dict[str, Any]]:
    found = run("stuck", "--json", *arguments)
    items: list[dict[str, Any]] = json.loads(found.stdout)["items"]
    assert found.exit_code == bool(items)
    return items


def test_each_with_its_leg_and_where_to_look(run: Run, service: Donewatch) -> None:
    in_state, whole_run = listed(run)
    assert (whole_run["instance_id"], whole_run["limit_seconds"]) == ("o-4", 3600)
    assert whole_run["age_seconds"] == pytest.approx(4200, abs=120)
    assert in_state["age_seconds"] == pytest.approx(2400, abs=120)
    assert (in_state["workflow"], in_state["instance_id"]) == ("order", "o-1")
    assert (in_state["state"], in_state["limit_seconds"]) == ("payment_pending", 900)
    assert in_state["leg"] == "retry_wait"
    assert "waiting" in in_state["sentence"] and "the payment provider" in in_state["sentence"]
    page = f"{service.pages}/instances/order/o-1?environment=production"
    assert in_state["url"] == page
    assert service.http.get(page).status_code == 200


SELECTED = [
    pytest.param(["--workflow", "order"], {"o-1", "o-4"}, id="of one type"),
    pytest.param(["--workflow", "pay.out"], set(), id="of another type"),
    pytest.param(["--environment", "staging"], set(), id="in another environment"),
    pytest.param(["--older-than", "30m"], {"o-1"}, id="longer in its state than told"),
    pytest.param(["--older-than", "1h"], set(), id="nothing is that old"),
    pytest.param(
        ["--older-than", "1"],
        {"o-1", "o-3", "o-4", "a/b ?é"},
        id="whatever the limits, without a definition too",
    ),
]


@pytest.mark.parametrize(("arguments", "names"), SELECTED)
def test_selected(run: Run, arguments: list[str], names: set[str]) -> None:
    found = {item["instance_id"] for item in listed(run, *arguments)}
    assert found & {"o-1", "o-2", "o-3", "o-4", "a/b ?é"} == names  # others are of other tests


def test_a_pipe_gets_one_line_each(run: Run, service: Donewatch) -> None:
    found = run("stuck")
    head, second, first = found.stdout.splitlines()
    assert head.split()[:4] == ["workflow", "instance", "environment", "state"]
    assert first.split()[:4] == ["order", "o-4", "production", "payment_pending"]
    assert second.endswith(f"{service.pages}/instances/order/o-1?environment=production")
    assert " 15 min " in second and "\x1b" not in found.stdout
    assert "2 instances stuck; the oldest for 1 h" in found.stderr


def test_only_so_many(run: Run) -> None:
    found = run("stuck", "--limit", "1")
    assert len(found.stdout.splitlines()) == 2
    assert "2 instances stuck, 1 of them shown" in found.stderr
    assert json.loads(run("stuck", "--limit", "1", "--json").stdout)["total"] == 2


def test_nothing(run: Run) -> None:
    found = run("stuck", "--workflow", "pay.out")
    assert (found.exit_code, found.stdout) == (0, "nothing is stuck\n")


WRONG = [
    pytest.param(["--workflow", "ordr"], ["'ordr'", "did you mean 'order'?"], id="mistyped type"),
    pytest.param(["--older-than", "15x"], ["--older-than", "'15x'", "15m"], id="mistyped duration"),
    pytest.param(["--workflow", "zzz"], ["'zzz'", "order, pay.out"], id="another type"),
    pytest.param(["--limit", "0"], ["--limit"], id="no limit"),
    pytest.param(["--limit", "1001"], ["--limit"], id="more than one answer has"),
    pytest.param(["--url", "localhost:8080"], ["--url", "http://127.0.0.1:8080"], id="no scheme"),
    pytest.param(["--url", "http://h:x"], ["--url", "'http://h:x'"], id="no port"),
    pytest.param(["--url", "http://h/?a=1"], ["has a query"], id="a query"),
    pytest.param(["--token-file", "/nowhere"], ["--token-file", "/nowhere"], id="no token file"),
]


@pytest.mark.parametrize(("arguments", "told"), WRONG)
def test_wrong_arguments(run: Run, arguments: list[str], told: list[str]) -> None:
    found = run("stuck", *arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert all(each in found.stderr for each in told), found.stderr

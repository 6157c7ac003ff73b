"""``donewatch emit`` against a running collector, and one that makes trouble."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.terminal.client import Client, CouldNotRun
from service.terminal.emit import emit, event_of, pieces_of
from service.terminal.printer import Printer
from tests.peers.donewatch import Donewatch, until
from tests.service_cli.fake import PROBLEM, Answer, Fake
from tests.service_cli.orders import Run, ago

TAKEN = json.dumps({"accepted": 1, "rejected": []}).encode()


def events(service: Donewatch, instance: str, number: int = 1) -> list[dict[str, Any]]:
    """So many events of an instance, once they are stored: accepted is only on disk."""

    def stored() -> list[dict[str, Any]]:
        found = service.get(f"/api/v1/instances/emitted/{instance}").json()
        return [each["fields"] for each in found.get("events", ())]

    return until(lambda: len(found := stored()) >= number and found, what="what was emitted")


def test_one_event_from_options(run: Run, service: Donewatch) -> None:
    found = run(
        *("emit", "--workflow", "emitted", "--instance", "one", "--version", "2"),
        *("--from", "a", "--to", "b", "--action", "go", "--sequence", "7"),
        *("--environment", "test", "--service", "shell", "--field", "actor_type=user"),
        *("--field", "reason=because=why", "--attribute", "colour=red"),
    )
    assert (found.exit_code, found.stdout) == (0, "1 accepted, 0 rejected\n")
    (event,) = events(service, "one")
    told = {
        "event": "transition",
        "workflow_version": "2",
        "from": "a",
        "to": "b",
        "action": "go",
        "sequence": 7,
        "environment": "test",
        "service": "shell",
        "actor_type": "user",
        "reason": "because=why",
        "attributes": {"colour": "red"},
    }
    assert {name: event.get(name) for name in told} == told


def test_another_kind_and_the_same_again_is_another_event(run: Run, service: Donewatch) -> None:
    job = ["--event", "job", "--field", "job_id=j", "--field", "job_state=started"]
    command = ["emit", "--workflow", "emitted", "--instance", "two", *job, "--field", "attempt=3"]
    for _ in range(2):
        assert run(*command).exit_code == 0
    assert [event["attempt"] for event in events(service, "two", 2)] == [3, 3]


def line(instance: str, **given: Any) -> str:
    event = {"event": "transition", "workflow_type": "emitted", "instance_id": instance, "to": "a"}
    return json.dumps(event | {"occurred_at": ago(seconds=1)} | given)


LINES = f"""
{line("three")}
{{"event": "transition", nonsense

{line("three", colour="red")}
{line("three", to="b")}
{line("", to="b")}"""


def test_lines_each_with_its_verdict(run: Run, service: Donewatch) -> None:
    found = run("emit", "-", text=LINES)
    assert found.exit_code == 1
    first, second, third, summary = found.stdout.splitlines()
    assert "line 3:" in first and "is not JSON" in first
    assert "line 5:" in second and "colour" in second
    assert "line 7:" in third and "instance_id is missing" in third
    assert summary == "2 accepted, 3 rejected"
    assert len(events(service, "three")) == 2


def test_lines_for_a_machine(run: Run) -> None:
    found = run("emit", "-", "--json", text=LINES.replace("three", "four"))
    answer = json.loads(found.stdout)
    assert (found.exit_code, answer["accepted"]) == (1, 2)
    places = [(each["index"], each["line"], each["field"]) for each in answer["rejected"]]
    assert places == [(1, 3, ""), (2, 5, "colour"), (4, 7, "instance_id")]
    assert all(each["error"] for each in answer["rejected"])


FILES = [
    pytest.param("\n".join(line("f", to=f"s{n}") for n in range(2500)), 2500, id="many lines"),
    pytest.param(f"[{line('f')},\n{line('f', to='b')}]", 2, id="an array"),
    pytest.param(f"  \n [{line('f')}]\n", 1, id="an array after a blank line"),
    pytest.param("\r\n".join([line("f"), line("f", to="b")]), 2, id="lines of another system"),
    pytest.param("\ufeff" + line("f"), 1, id="with a mark of its encoding"),
    pytest.param(f"\ufeff[{line('f')}]", 1, id="an array with such a mark"),
    pytest.param("", 0, id="nothing"),
]


@pytest.mark.parametrize(("text", "number"), FILES)
def test_a_file(run: Run, tmp_path: Path, text: str, number: int) -> None:
    (tmp_path / "events").write_bytes(text.encode())
    found = run("emit", str(tmp_path / "events"))
    assert (found.exit_code, found.stdout) == (0, f"{number} accepted, 0 rejected\n"), found.stderr


def test_an_array_with_a_bad_one(run: Run) -> None:
    found = run("emit", "-", text=f"[{line('g')}, {{}}]")
    assert found.exit_code == 1 and "event 1: event is missing" in found.stdout


WRONG = [
    pytest.param([], ["nothing to send", "--workflow"], id="nothing given"),
    pytest.param(["--event", "job"], ["nothing to send"], id="a kind alone"),
    pytest.param(["/nowhere/events"], ["/nowhere/events", "No such file"], id="no such file"),
    pytest.param(["-", "--to", "b"], ["not both"], id="a file and an event"),
    pytest.param(["--field", "reason"], ["'reason'", "NAME=VALUE"], id="a field without a value"),
    pytest.param(["--attribute", "=x"], ["'=x'", "NAME=VALUE"], id="an attribute without a name"),
    pytest.param(["--field", "attempt=two"], ["attempt", "'two'"], id="no number"),
    pytest.param(["--sequence", "x"], ["--sequence"], id="no sequence"),
]


@pytest.mark.parametrize(("arguments", "told"), WRONG)
def test_wrong_arguments(run: Run, arguments: list[str], told: list[str]) -> None:
    found = run("emit", *arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert all(each in found.stderr for each in told), found.stderr


def test_the_pages_take_no_events(run: Run, service: Donewatch) -> None:
    found = run("emit", "--workflow", "w", "--to", "s", "--url", service.pages)
    assert found.exit_code == 2 and "takes no events" in found.stderr
    assert "collector" in found.stderr


def test_the_endpoint_of_applications_will_do(run: Run, service: Donewatch) -> None:
    command = ["emit", "--workflow", "emitted", "--instance", "five", "--to", "a"]
    endpoint = service.otlp + "/v1/logs/"
    assert run(*command, DONEWATCH_ENDPOINT=endpoint).exit_code == 0
    assert run(*command, "--url", endpoint).exit_code == 0


def test_a_line_is_sent_when_it_comes(service: Donewatch) -> None:
    command = [sys.executable, "-m", "service", "emit", "-", "--url", service.otlp]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=service.environment,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("not JSON\n")
        process.stdin.flush()
        assert "line 1:" in process.stdout.readline()  # while more may come
        process.stdin.write(line("six") + "\n")
        process.stdin.close()
        assert process.stdout.read() == "1 accepted, 1 rejected\n"
        assert process.wait(10) == 1


def problem(status: int, detail: str, **headers: str) -> Answer:
    return Answer(status, json.dumps({"detail": detail}).encode(), PROBLEM, headers)


def sent(fake: Fake, *texts: str, waits: list[float] | None = None) -> int:
    client = Client(fake.url, "", start="start one")
    waits = [] if waits is None else waits
    try:
        pieces = iter([text.encode() for text in texts])
        return emit(client, Printer(), pieces, as_json=True, sleep=waits.append)
    finally:
        client.close()


def test_what_may_succeed_later_is_tried_again() -> None:
    waits: list[float] = []
    trouble = [
        problem(429, "full", **{"Retry-After": "3"}),
        problem(503, "away", **{"Retry-After": "soon"}),
        problem(503, "away", **{"Retry-After": "3600"}),
    ]
    with Fake(*trouble, Answer(200, TAKEN)) as fake:
        assert sent(fake, "{}", waits=waits) == 0
    assert waits == [3.0, 1.0, 10.0]
    assert [asked.body for asked in fake.asked] == [b"{}"] * 4


@pytest.mark.parametrize(("status", "attempts"), [(503, 6), (413, 1), (400, 1), (401, 1)])
def test_how_far_it_came_before_it_failed(status: int, attempts: int) -> None:
    with Fake(Answer(200, TAKEN), problem(status, "no more of this")) as fake:
        with pytest.raises(CouldNotRun, match=r"no more of this.*before that, 1 accepted"):
            sent(fake, "{}\n", "{}\n")
        assert len(fake.asked) == 1 + attempts


PIECES = [
    pytest.param(["{}\n{", "}\n{", "}"], [b"{}", b"{}", b"{}"], id="cut anywhere"),
    pytest.param([" ", "\n", "[{}", ",{}]"], [b"[{},{}]"], id="an array in pieces"),
    pytest.param(["\n\n", " \n"], [], id="blank lines alone"),
    pytest.param(["{}\n" * 1001], [b"\n".join([b"{}"] * 1000), b"{}"], id="so many at once"),
]


@pytest.mark.parametrize(("pieces", "bodies"), PIECES)
def test_what_is_sent(pieces: list[str], bodies: list[bytes]) -> None:
    with Fake(Answer(200, TAKEN)) as fake:
        sent(fake, *pieces)
    assert [asked.body for asked in fake.asked] == bodies


def test_numbers_and_stamps() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    event = event_of({"event": "job", "to": ""}, ["attempt=3", "mine=4"], [])
    assert event == {"event": "job", "attempt": 3, "mine": "4"}
    (piece,) = pieces_of("", event, now)
    assert json.loads(piece)["occurred_at"] == "2026-03-01T00:00:00+00:00"
    (piece,) = pieces_of("", {**event, "occurred_at": "before"}, now)
    assert json.loads(piece)["occurred_at"] == "before"

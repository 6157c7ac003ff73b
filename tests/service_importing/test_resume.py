"""Stopped anywhere, the same command goes on: nothing is lost, nothing is there twice."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.donewatch import ROOT, until
from tests.service_importing.collector import Answer, FakeCollector, Misbehave
from tests.service_importing.events import Run, left, lines


def breaking(instance: str, breaks: list[bool]) -> Misbehave:
    """A fault for the batch with that instance, as long as ``breaks`` is not emptied."""
    name = f'"{instance}"'.encode()
    return lambda number, body: Answer(500) if name in body and breaks else None


def test_progress_waits_for_the_first_of_those_under_way(run: Run, tmp_path: Path) -> None:
    release = threading.Event()
    answered = threading.Semaphore(0)

    def hold_the_first(number: int, body: bytes) -> Answer | None:
        if b'"o-0"' in body:
            release.wait(30)
        else:
            answered.release()
        return None

    path = tmp_path / "f.ndjson"
    path.write_text(lines(12))
    seen: list[bool] = []

    def look() -> None:
        for _ in range(3):
            assert answered.acquire(timeout=30)
        seen.append((tmp_path / "f.ndjson.progress").exists())
        release.set()

    with FakeCollector(hold_the_first) as fake:
        watcher = threading.Thread(target=look)
        watcher.start()
        assert run(fake, "f.ndjson").exit_code == 0
        watcher.join()
        assert seen == [False] and len(fake.events) == 12


def test_the_same_command_goes_on_where_it_stopped(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "f.ndjson"
    path.write_text(lines(60, bad=7))
    breaks = [True]
    with FakeCollector(breaking("o-30", breaks)) as fake:
        found = run(fake, "f.ndjson")
        assert found.exit_code == 2 and "a fake 500" in found.stderr
        told = re.search(
            r"of f.ndjson, (\d+) lines are done \(\d+ accepted, \d+ rejected\): "
            r"run the same command to go on from there",
            found.stderr,
        )
        done = int(told.group(1)) if told else 0
        assert 20 < done <= 30
        breaks.clear()
        found = run(fake, "f.ndjson")
        assert f"f.ndjson: goes on after line {done}" in found.stderr
        assert "f.ndjson: 51 accepted, 9 rejected (9 missing)" in found.stdout
        assert len(fake.events) == 51
        before = [count for (instance, _), count in fake.copies.items() if int(instance[2:]) < done]
        assert set(before) == {1}
    aside = (tmp_path / "f.ndjson.rejected.ndjson").read_text().splitlines()
    assert [json.loads(each)["line"] for each in aside] == [1, 8, 15, 22, 29, 36, 43, 50, 57]
    assert left(tmp_path) == {"f.ndjson.rejected.ndjson"}


def test_files_that_are_done_are_not_sent_again(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text(lines(6))
    (tmp_path / "b.ndjson").write_text(lines(6).replace("o-", "p-"))
    breaks = [True]
    with FakeCollector(breaking("p-3", breaks)) as fake:
        assert run(fake, "a.ndjson", "b.ndjson").exit_code == 2
        breaks.clear()
        found = run(fake, "a.ndjson", "b.ndjson")
        assert found.exit_code == 0 and "a.ndjson: was imported before" in found.stderr
        assert found.stdout.splitlines()[-1] == "2 files: 12 accepted, 0 rejected"
        assert len(fake.events) == 12
        assert {count for (name, _), count in fake.copies.items() if name.startswith("o")} == {1}
    assert left(tmp_path) == set()


ANEW = [
    pytest.param(lambda path: path.write_text(lines(31)), [], {}, "file has changed", id="changed"),
    pytest.param(lambda path: os.utime(path, (1, 1)), [], {}, "file has changed", id="touched"),
    pytest.param(lambda path: None, ["--format", "ndjson"], {}, "other options", id="options"),
    pytest.param(lambda path: None, [], {"DONEWATCH_TOKEN": "t"}, "another token", id="a token"),
    pytest.param(lambda path: None, ["--again"], {}, "", id="told to"),
    pytest.param(
        lambda path: Path("f.ndjson.progress").write_text("{"),
        [],
        {},
        "cannot be read",
        id="half a file",
    ),
]


@pytest.mark.parametrize(("change", "options", "environment", "told"), ANEW)
def test_an_import_that_is_another_one_begins_anew(
    run: Run,
    tmp_path: Path,
    change: Callable[[Path], object],
    options: list[str],
    environment: dict[str, str],
    told: str,
) -> None:
    path = tmp_path / "f.ndjson"
    path.write_text(lines(30))
    breaks = [True]
    with FakeCollector(breaking("o-20", breaks)) as fake:
        assert run(fake, "f.ndjson").exit_code == 2
        breaks.clear()
        change(path)
        found = run(fake, "f.ndjson", *options, **environment)
        assert found.exit_code == 0 and told in found.stderr
        assert fake.copies[next(key for key in fake.copies if key[0] == "o-0")] == 2
        assert len(fake.events) == len(path.read_text().splitlines())


def test_another_target_gets_everything(run: Run, collector: FakeCollector, tmp_path: Path) -> None:
    (tmp_path / "f.ndjson").write_text(lines(30))
    with FakeCollector(breaking("o-20", [True])) as fake:
        assert run(fake, "f.ndjson").exit_code == 2
        found = run(collector, "f.ndjson")
        assert f"the last import went to {fake.url}" in found.stderr
    assert len(collector.events) == 30


def test_a_file_of_its_own_folder(run: Run, collector: FakeCollector, tmp_path: Path) -> None:
    (tmp_path / "f.ndjson").write_text(lines(3, bad=2))
    (tmp_path / "kept").mkdir()
    assert run(collector, "f.ndjson", "--aside", "kept").exit_code == 1
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["f.ndjson.rejected.ndjson"]
    assert left(tmp_path) == set()


def start(fake: FakeCollector, tmp_path: Path, *options: str) -> "subprocess.Popen[str]":
    inherited = {name: value for name, value in os.environ.items() if "DONEWATCH_" not in name}
    return subprocess.Popen(
        [sys.executable, "-m", "service", "import", "f.ndjson", *options],
        cwd=tmp_path,
        env={**inherited, "PYTHONPATH": str(ROOT), "DONEWATCH_ENDPOINT": fake.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


ROWS = 24_000  # several batches of the size that the command has


@pytest.mark.system
def test_killed_midway_nothing_is_lost_or_twice(tmp_path: Path) -> None:
    (tmp_path / "f.ndjson").write_text(lines(ROWS, bad=997))
    held = threading.Event()
    holding = [True]

    def hold(number: int, body: bytes) -> Answer | None:
        if b'"o-12000"' in body and holding:
            held.wait(30)
        return None

    with FakeCollector(hold) as fake:
        process = start(fake, tmp_path)
        progress = tmp_path / "f.ndjson.progress"
        until(progress.exists, what="progress")
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        # as if it had died after setting rows aside and before saying so
        with (tmp_path / "f.ndjson.rejected.ndjson").open("a") as aside:
            aside.write('{"line": 1, half a row')
        holding.clear()
        held.set()
        done = json.loads(progress.read_text())["state"]["place"]["line"]
        assert 0 < done < ROWS
        code, told, notes = finished(start(fake, tmp_path))
        assert code == 1 and f"goes on after line {done}" in notes
        bad = len(range(0, ROWS, 997))
        assert f"{ROWS - bad} accepted, {bad} rejected" in told
        assert len(fake.events) == ROWS - bad
        before = [count for (instance, _), count in fake.copies.items() if int(instance[2:]) < done]
        assert set(before) == {1}
    rejected = (tmp_path / "f.ndjson.rejected.ndjson").read_text().splitlines()
    assert [json.loads(each)["line"] for each in rejected] == [n + 1 for n in range(0, ROWS, 997)]


def finished(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    stdout, stderr = process.communicate(timeout=60)
    return process.returncode, stdout, stderr


@pytest.mark.system
def test_ctrl_c_while_the_collector_is_full(tmp_path: Path) -> None:
    (tmp_path / "f.ndjson").write_text(lines(ROWS))
    full = threading.Event()

    def fill_up(number: int, body: bytes) -> Answer | None:
        if b'"o-0"' in body:
            return None
        full.set()
        return Answer(429, {"Retry-After": "60"})

    with FakeCollector(fill_up) as fake:
        process = start(fake, tmp_path)
        assert full.wait(30)
        until(lambda: (tmp_path / "f.ndjson.progress").exists(), what="progress")
        process.send_signal(signal.SIGINT)
        code, _, told = finished(process)
    assert code == 2
    assert "stopped; of f.ndjson, 5000 lines are done (5000 accepted, 0 rejected)" in told
    assert "Traceback" not in told


@pytest.mark.system
def test_two_at_once_would_spoil_each_other(run: Run, tmp_path: Path) -> None:
    (tmp_path / "f.ndjson").write_text(lines(10))
    held = threading.Event()
    asked = threading.Event()

    def hold(number: int, body: bytes) -> Answer | None:
        asked.set()
        held.wait(30)
        return None

    with FakeCollector(hold) as fake:
        process = start(fake, tmp_path)
        assert asked.wait(30)
        found = run(fake, "f.ndjson")
        assert found.exit_code == 2 and "is being imported by another process" in found.stderr
        held.set()
        assert finished(process)[0] == 0

"""What keeps the service from running is said in one line, with the exit status 2."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.peers.clickhouse import free_port
from tests.peers.donewatch import ROOT, run, until
from tests.service import story
from tests.service.conftest import Make

pytestmark = pytest.mark.system


def refusal(directory: Path, *arguments: str, **settings: Any) -> str:
    """The one line that ``donewatch up`` leaves behind."""
    found = run(directory, "up", "--port", "0", "--otlp-port", "0", *arguments, **settings)
    assert found.returncode == 2, found.stderr
    assert found.stdout == ""
    (line,) = found.stderr.strip().splitlines()
    assert line.startswith("donewatch: ")
    return line


def python(code: str, *arguments: str) -> None:
    """Run code beside the service: an embedded store has one process at a time."""
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, check=True, timeout=60)


CASES = [
    pytest.param(
        {"HOST": "0.0.0.0"}, "add tokens, or listen on 127.0.0.1", id="open to the network"
    ),
    pytest.param(
        {"LOG_LEVEL": "loud"}, "write debug, info, warning or error", id="an unknown log level"
    ),
    pytest.param({"STORE__DSN": "mysql://x"}, "write chdb:///absolute/path", id="another database"),
    pytest.param(
        {"HOST": "192.0.2.1", "TOKENS": [{"hash": "a" * 64, "scopes": ["read"]}]},
        "Set DONEWATCH_HOST to an address of this machine",
        id="an address of another machine",
    ),
]


@pytest.mark.parametrize(("settings", "remedy"), CASES)
def test_a_setting_that_cannot_be(tmp_path: Path, settings: dict[str, Any], remedy: str) -> None:
    assert remedy in refusal(tmp_path, **settings)


def test_an_unknown_key_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "donewatch.yaml").write_text("store: {dns: chdb://memory}\n")
    assert "store.dns: there is no such setting (did you mean 'dsn'?)" in refusal(tmp_path)


@pytest.mark.parametrize("option", ["--port", "--otlp-port"])
def test_a_busy_port(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        line = refusal(tmp_path, option, port)
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in line
    assert "--port and --otlp-port (0 picks a free one)" in line


def test_a_data_directory_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = refusal(tmp_path, DATA_DIR=tmp_path / "file" / "data")
    assert "cannot be written" in line and "DONEWATCH_DATA_DIR" in line


def test_a_ready_file_that_cannot_be(tmp_path: Path) -> None:
    line = refusal(tmp_path, "--ready-file", str(tmp_path / "none" / "ready.json"))
    assert "there is no such directory" in line


def test_the_second_service_on_a_data_directory_is_refused_and_told_why(make: Make) -> None:
    first = make().start()
    assert f"process {first.pid} " in refusal(first.directory)
    assert f"{first.data}" in refusal(first.directory)

    # the first takes no harm
    first.take(story.submit("order-1"))
    first.wait_alert("OrderStuck", "firing")

    # what a crash leaves behind holds nobody up
    first.kill()
    second = make(DATA_DIR=first.data).start()
    assert second.wait_alert("OrderStuck", "firing")["members_total"] == 1


def test_a_data_directory_is_one_collector_whatever_the_store(make: Make) -> None:
    """Two of one name would hide each other's marks, and events would go missing unseen."""
    nobody = f"http://default@127.0.0.1:{free_port()}/donewatch"
    first = make(STORE__DSN=nobody).begin()
    try:
        second = make(name="second", DATA_DIR=first.data, STORE__DSN=nobody)
        until(lambda: "waiting for the store" in first.log)
        line = refusal(second.directory, DATA_DIR=first.data, STORE__DSN=nobody)
        assert f"process {first.pid} " in line
    finally:
        first.kill()


def test_a_store_that_a_newer_version_wrote(make: Make, tmp_path: Path) -> None:
    service = make().start()
    assert service.stop() == 0
    newer = (
        "from store import Database; import sys;"
        "d = Database.open(sys.argv[1]); c = d.connect();"
        "c.insert('migrations', ['number', 'name', 'applied_at'], [[9999], ['x'], [0]]);"
        "d.close()"
    )
    found = run(tmp_path / "other", "migrate", STORE__DSN=f"chdb://{service.data}/store")
    assert (found.returncode, found.stdout) == (0, "nothing to do\n")
    python(newer, f"chdb://{service.data}/store")
    line = refusal(service.directory)
    assert "migration 9999" in line and "install the newer version" in line

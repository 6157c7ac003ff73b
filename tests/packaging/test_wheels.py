"""Both distributions build, install on their own, and work outside the checkout."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), **_pip_settings(), **environment},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _pip_settings() -> dict[str, str]:
    """How this machine reaches its registry, whatever that is."""
    return {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for source in (ROOT, ROOT / "sdk"):
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
        run(*build, source, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def environment(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the service's wheel, at the versions of the lock."""
    folder = tmp_path_factory.mktemp("environment")
    lock = (ROOT / "requirements.lock").read_text()
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(re.findall(r"^[\w.-]+==[^\s;\\]+(?: ;[^\\\n]+)?", lock, re.M)))
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    service, sdk = next(wheels.glob("donewatch_server-*.whl")), next(wheels.glob("donewatch-*.whl"))
    pip = [folder / "venv/bin/python", "-m", "pip", "install", "--quiet", "--no-compile"]
    pip += ["-c", constraints]
    run(*pip, f"{service}[embedded]", sdk, cwd=folder)
    return folder / "venv"


def test_the_sdk_alone_is_light(wheels: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv/bin/python"
    run(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        next(wheels.glob("donewatch-*.whl")),
        cwd=tmp_path,
    )
    listed = json.loads(run(python, "-m", "pip", "list", "--format=json", cwd=tmp_path))
    names = {each["name"].lower() for each in listed}
    assert not names & {"grpcio", "chdb", "fastapi", "clickhouse-connect", "pandas", "pyyaml"}
    code = (
        "import donewatch; w = donewatch.Workflow('order', version='1', transitions=["
        "{'action': 'submit', 'to': 'new'}]); print(w.allows('', 'new', 'submit'))"
    )
    assert run(python, "-c", code, cwd=tmp_path).strip() == "True"


def test_the_service_runs_from_its_wheel(environment: Path, tmp_path: Path) -> None:
    donewatch = environment / "bin" / "donewatch"
    assert "demo" in run(donewatch, "--help", cwd=tmp_path)
    modules = (
        "api, collector, demo.run, lifecycle, notify, probes, rules, service, store, donewatch"
    )
    paths = run(
        environment / "bin/python", "-c", f"import {modules}; print(store.__file__)", cwd=tmp_path
    )
    assert str(ROOT) not in paths
    ready = tmp_path / "ready.json"
    service = subprocess.Popen(
        [donewatch, "up", "--port", "0", "--otlp-port", "0", "--ready-file", ready],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert service.poll() is None, service.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        addresses = json.loads(ready.read_text())
        event = {"event": "transition", "workflow_type": "order", "instance_id": "o-1", "to": "new"}
        request = urllib.request.Request(
            f"{addresses['otlp']}/api/v1/events",
            json.dumps(event).encode(),
            {"Content-Type": "application/x-ndjson"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert json.load(answer) == {"accepted": 1, "rejected": []}
        # what is accepted is on disk, and in the store soon after
        while "order" not in _get(f"{addresses['pages']}/api/v1/workflows"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for page in ("/", "/instances/order/o-1", "/alerts", "/metrics"):
            assert _get(addresses["pages"] + page)
        assets = re.findall(r'(?:href|src)="(/static/[^"?]+)', _get(addresses["pages"]))
        assert assets
        for asset in assets:
            assert _get(addresses["pages"] + asset)
    finally:
        service.terminate()
        service.communicate(timeout=30)
    assert service.returncode == 0


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        text: str = answer.read().decode()
        return text

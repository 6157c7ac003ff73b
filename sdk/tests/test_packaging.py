"""The wheel, installed beside nothing but what it says it needs."""

import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SDK = Path(__file__).parents[1]

PROGRAM = """
import donewatch, importlib.metadata, importlib.util, os, sys
from donewatch import Workflow

assert donewatch.__version__ == importlib.metadata.version("donewatch")
assert donewatch.__file__.startswith(sys.prefix), donewatch.__file__
assert importlib.util.find_spec("yaml") is None
open("order.yaml", "w").write("workflow: order")
try:
    Workflow.load("order.yaml")
except ModuleNotFoundError as error:
    assert "donewatch[yaml]" in str(error)
else:
    raise AssertionError("YAML was read without the extra")
Workflow("order").transition("o-1", None, "submitted")
assert donewatch.flush(20), donewatch.stats()
assert donewatch.stats().exported == 1, donewatch.stats()
"""


def needed(name: str) -> set[str]:
    """The distribution and all it needs, as installed here."""
    found: set[str] = set()
    waiting = [Requirement(name)]
    while waiting:
        wanted = waiting.pop()
        key = canonicalize_name(wanted.name)
        extras = wanted.extras or {""}
        if key in found and extras == {""}:
            continue
        found.add(key)
        for line in distribution(key).requires or []:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(requirement)
    return found


def copy(name: str, target: Path) -> None:
    """Put an installed distribution's files into another environment."""
    home = Path(sysconfig.get_path("purelib"))
    for file in distribution(name).files or []:
        source = home / file
        if ".." in file.parts or "__pycache__" in file.parts or not source.is_file():
            continue
        destination = target / file
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.write_bytes(source.read_bytes())


@pytest.mark.system
def test_the_wheel_works_with_its_dependencies_alone(sink, tmp_path):
    def call(*command: str | Path, **options: object) -> str:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, cwd=tmp_path, **options
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, SDK)
    (wheel,) = tmp_path.glob("donewatch-*.whl")
    inside = zipfile.ZipFile(wheel).namelist()
    assert "donewatch/py.typed" in inside
    assert not [each for each in inside if not each.startswith("donewatch")]

    home = tmp_path / "environment"
    call(sys.executable, "-m", "venv", "--without-pip", home)
    python = home / "bin" / "python"
    purelib = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    for name in needed("donewatch") - {"donewatch"}:
        copy(name, Path(purelib))
    pip = [sys.executable, "-m", "pip", "--python", python]
    call(*pip, "install", "--no-index", wheel)  # without an index: every requirement is met already
    call(*pip, "check")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    call(python, "-W", "error", program, env={"DONEWATCH_ENDPOINT": sink.url})
    assert [each.name for each in sink.events()] == ["donewatch.transition"]

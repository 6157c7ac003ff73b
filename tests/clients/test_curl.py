"""The documentation's examples with curl, run as they stand."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.peers.donewatch import ROOT, Donewatch, until

pytestmark = pytest.mark.system

PAGES = ("README.md", "docs/events.md")
COLLECTOR = "http://127.0.0.1:4318"  # as the documentation says


class Example(NamedTuple):
    """A block of shell; ``answer`` where the page shows one."""

    page: str
    commands: str
    answer: str


def examples() -> Iterator[Example]:
    """Every block that calls curl, with the block of its answer where one follows at once."""
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        found = re.finditer(r"```sh\n([^`]*?\bcurl\b[^`]*)```(?:\s*```json\n([^`]*)```)?", text)
        for each in found:
            yield Example(page, each[1], (each[2] or "").strip())


EXAMPLES = list(examples())


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Donewatch]:
    """As after the first step of the README: no token, nothing declared."""
    found = Donewatch(tmp_path_factory.mktemp("curl"))
    try:
        yield found.start()
    finally:
        found.close()


@pytest.fixture(scope="module")
def answers(service: Donewatch, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each example printed, in the order of the pages."""
    return {
        example.commands: run(
            example.commands.replace(COLLECTOR, service.otlp), tmp_path_factory.mktemp("shell")
        )
        for example in EXAMPLES
    }


def run(commands: str, directory: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=[each.commands[:70] for each in EXAMPLES])
def test_an_example_is_answered_as_its_page_says(answers: dict[str, str], example: Example) -> None:
    assert answers[example.commands] == (example.answer or '{"accepted":1,"rejected":[]}')


@pytest.mark.parametrize(
    ("instance", "states"),
    [
        pytest.param("o-1001", ["submitted"], id="a line, in the README"),
        pytest.param("o-1002", ["submitted", "paid"], id="lines"),
        pytest.param("o-1003", ["submitted"], id="an array of which one is refused"),
        pytest.param("o-1004", ["submitted"], id="a compressed line"),
        pytest.param("o-1005", ["submitted"], id="OTLP in JSON"),
    ],
)
@pytest.mark.usefixtures("answers")
def test_what_an_example_sends_is_shown(
    service: Donewatch, instance: str, states: list[str]
) -> None:
    def look() -> list[str]:
        answer = service.get(f"/api/v1/instances/order/{instance}")
        found = answer.json()["visits"] if answer.status_code == 200 else []
        return [each["state"] for each in found]

    until(lambda: look() == states, what=f"{instance} in {states}")


def test_every_way_in_has_an_example() -> None:
    sent = " ".join(each.commands for each in EXAMPLES)
    for part in ("x-ndjson", "application/json", "Content-Encoding: gzip", "/v1/logs", "["):
        assert part in sent

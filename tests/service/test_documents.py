"""Definition and rule files as they change under a running service."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from service.documents import DocumentFolder
from tests.service import story

RULES = "groups: [{name: own, rules: [{alert: X, stuck: {workflow: order, longer_than: 15m}}]}]"


@pytest.fixture
def folder(tmp_path: Path) -> DocumentFolder:
    workflows, rules = tmp_path / "workflows", tmp_path / "rules"
    workflows.mkdir()
    rules.mkdir()
    (workflows / "order.yaml").write_text(story.DEFINITION)
    (rules / "own.yaml").write_text(RULES)
    found = DocumentFolder(workflows, rules, default_interval=15.0)
    assert found.reload()
    assert not found.current.problems
    return found


def unreadable(path: Path) -> Callable[[], object]:
    """Put something in its place that no one can read, root included; returns the way back."""
    kept = path.rename(path.with_suffix(".kept"))
    path.mkdir()

    def back() -> None:
        path.rmdir()
        kept.rename(path)

    return back


@pytest.mark.parametrize("name", ["workflows/order.yaml", "rules/own.yaml"])
def test_a_file_that_cannot_be_read_stays_in_force_and_is_told(
    folder: DocumentFolder, tmp_path: Path, name: str
) -> None:
    before = folder.current
    back = unreadable(tmp_path / name)
    assert folder.reload()
    assert folder.current.definitions == before.definitions
    assert folder.current.groups == before.groups
    (problem,) = folder.current.problems
    assert problem.file == str(tmp_path / name)
    assert "cannot be read" in problem.message
    assert not folder.reload(), "nothing more has changed"
    back()
    assert folder.reload()
    assert folder.current == before


def test_a_file_that_was_unreadable_for_a_moment_is_read_again(
    folder: DocumentFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rules" / "own.yaml"
    path.write_text(RULES.replace("15m", "20m"))
    with monkeypatch.context() as patched:
        read = Path.read_text

        def fail(self: Path, encoding: str, errors: str) -> str:
            if self == path:
                raise OSError(errno.EIO, "Input/output error")
            return read(self, encoding, errors)

        patched.setattr(Path, "read_text", fail)
        assert folder.reload()
        assert folder.current.problems
    assert folder.reload(), "though neither its time nor its size has changed"
    assert not folder.current.problems


def test_a_file_that_is_gone_is_not_in_force(folder: DocumentFolder, tmp_path: Path) -> None:
    (tmp_path / "workflows" / "order.yaml").unlink()
    (tmp_path / "rules" / "own.yaml").unlink()
    assert folder.reload()
    assert folder.current.definitions.all == ()
    assert [group.name for group in folder.current.groups] == ["ingest"], "built in, of no file"
    assert not folder.current.problems

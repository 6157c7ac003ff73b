"""Mapping files as they change under a running collector."""

import os
import time
from pathlib import Path

import pytest
from opentelemetry.trace import SpanKind

from lifecycle.errors import SettingsError
from lifecycle.mapping import Signal
from service.mappings import MappingFolder
from service.settings import load_settings
from tests.collector.senders import Body
from tests.collector.spans import traces_json, tracing
from tests.peers.donewatch import Donewatch, until
from tests.service.conftest import Make

SHOWN = """\
mapping: shown
on: span
match: {name: order shown}
emit:
  - event: visible
    occurred_at: end
    fields: {workflow_type: order, instance_id: {attribute: order.id}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> MappingFolder:
    (tmp_path / "shown.yaml").write_text(SHOWN)
    found = MappingFolder(tmp_path, ["celery"])
    assert found.reload()
    assert not found.problems
    return found


def names(folder: MappingFolder) -> list[str]:
    return [each.name for each in folder.mappings]


def write(path: Path, text: str) -> None:
    """Write so that the change shows, however coarse the clock of the file system is."""
    path.write_text(text)
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))


def test_own_ones_come_before_shipped_ones(folder: MappingFolder, tmp_path: Path) -> None:
    assert names(folder) == ["shown", "celery"]
    assert not folder.reload(), "nothing has changed"
    (tmp_path / "also.yaml").write_text(SHOWN.replace("shown", "also"))
    assert folder.reload()
    assert names(folder) == ["also", "shown", "celery"], "by file name"


def test_a_broken_file_stays_in_force_and_is_told(
    folder: MappingFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "shown.yaml"
    before = folder.mapper
    write(file, SHOWN.replace("emit:", "emits:"))
    assert folder.reload()
    assert names(folder) == ["shown", "celery"]
    assert {str(each) for each in folder.problems} == {
        f"{file}:1:1: emit is missing (add emit)",
        f"{file}:4:1: unknown key 'emits' (did you mean 'emit'?)",
    }
    assert f"not in force: {file}:4:1: unknown key 'emits'" in caplog.text
    assert not folder.reload()
    assert folder.mapper.maps(Signal.SPAN)
    write(file, SHOWN.replace("order shown", "order seen"))
    assert folder.reload()
    assert not folder.problems
    assert folder.mapper is not before
    file.unlink()
    assert folder.reload()
    assert names(folder) == ["celery"]


def test_a_file_that_was_broken_from_the_start_is_not_in_force(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("mapping: [")
    folder = MappingFolder(tmp_path)
    assert folder.reload()
    assert (names(folder), len(folder.problems)) == ([], 1)


def test_the_second_file_of_one_name_is_not_in_force(folder: MappingFolder, tmp_path: Path) -> None:
    (tmp_path / "zz.yaml").write_text(SHOWN.replace("order shown", "other"))
    assert folder.reload()
    assert names(folder) == ["shown", "celery"]
    (problem,) = folder.problems
    assert problem.file == str(tmp_path / "zz.yaml")
    assert "is already in" in problem.message
    (tmp_path / "shown.yaml").unlink()
    assert folder.reload()
    assert (names(folder), folder.problems) == (["shown", "celery"], ())


def test_a_file_with_the_name_of_a_shipped_one_replaces_it(
    folder: MappingFolder, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text(SHOWN.replace("mapping: shown", "mapping: celery"))
    assert folder.reload()
    assert [each.source for each in folder.mappings] == [
        str(tmp_path / "mine.yaml"),
        str(tmp_path / "shown.yaml"),
    ]


def test_no_folder_is_no_mapping(tmp_path: Path) -> None:
    folder = MappingFolder(tmp_path / "nowhere")
    folder.reload()
    assert (folder.mappings, folder.problems) == ((), ())
    (tmp_path / "nowhere").mkdir()
    (tmp_path / "nowhere" / "a.yaml").write_text(SHOWN)
    assert folder.reload(), "it was made meanwhile"


def test_a_shipped_mapping_that_there_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DONEWATCH_COLLECTOR__MAPPINGS", '["celry"]')
    with pytest.raises(SettingsError, match=r"no mapping 'celry' \(did you mean 'celery'\?\)"):
        load_settings()
    monkeypatch.setenv("DONEWATCH_COLLECTOR__MAPPINGS", "celery")
    with pytest.raises(SettingsError, match="lists are written as JSON"):
        load_settings()


def spans(name: str, instance: str) -> Body:
    with tracing(service__name="shop") as app:
        attributes = {
            "order.id": instance,
            "celery.action": "apply_async",
            "donewatch.workflow.type": "order",
            "donewatch.instance.id": instance,
            "messaging.message.id": f"task-{instance}",
            "celery.task_name": "shop.charge",
        }
        started = time.time_ns() - 2_000_000_000
        app.span(name, SpanKind.PRODUCER, attributes, start=started)
        return traces_json(app.request)


def kinds(service: Donewatch, instance: str) -> list[str]:
    """The events of one instance."""
    answer = service.get(f"/api/v1/instances/order/{instance}")
    return [each["kind"] for each in answer.json()["events"]] if answer.is_success else []


@pytest.mark.system
def test_a_mapping_is_added_and_changed_under_a_running_service(make: Make, tmp_path: Path) -> None:
    mappings = tmp_path / "mappings"
    mappings.mkdir()
    service = make(MAPPINGS_DIR=mappings, COLLECTOR__MAPPINGS=["celery"]).start()

    def send(name: str, instance: str) -> None:
        body = spans(name, instance)
        url = f"{service.otlp}{body.path}"
        answer = service.http.post(url, content=body.content, headers=body.all_headers)
        assert answer.json() == {}, answer.text

    send("order shown", "o-1")
    until(lambda: kinds(service, "o-1") == ["job"], what="the task of Celery as a job")
    (mappings / "shown.yaml").write_text(SHOWN)
    until(lambda: "in force: shown, celery" in service.log, what="the new mapping")
    send("order shown", "o-2")
    send("order seen", "o-3")
    until(lambda: kinds(service, "o-2") == ["visible"], what="the event of one's own mapping")
    until(lambda: kinds(service, "o-3") == ["job"], what="what it does not take")

"""A row of a snapshot becomes one event that nothing is judged by, the same whenever it is made."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.records import Flaw
from lifecycle.errors import SettingsError
from service.importing.snapshot import Seeding
from tests.service_importing.reading import NOW, read

ROW = {
    "workflow_type": "order",
    "instance_id": "o-1",
    "state": "review",
    "since": "2026-03-01T12:00:00Z",
}
EVENT = {
    "event": "transition",
    "workflow_type": "order",
    "instance_id": "o-1",
    "from": "review",
    "to": "review",
    "action": "snapshot",
    "class": "replay",
    "actor_type": "system",
    "occurred_at": 1772366400000000000,
}


def event(**given: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(Seeding(NOW).event(ROW | given))
    return found


def test_one_event() -> None:
    found = event(environment="production", attributes={"a": 1}, sequence=4, reason="")
    assert found.pop("event_id").startswith("snapshot-")
    assert found == {
        **EVENT,
        "environment": "production",
        "attributes": {"a": 1},
        "sequence": 4,
    }


SAME = [
    pytest.param({}, True, id="made again"),
    pytest.param({"since": "2026-03-01T13:00:00+01:00"}, True, id="in another zone"),
    pytest.param({"since": 1772366400000000000}, True, id="in nanoseconds"),
    pytest.param({"attributes": {"seen": 2}}, True, id="with other attributes"),
    pytest.param({"state": "paid"}, False, id="another state"),
    pytest.param({"since": "2026-03-01T12:00:01Z"}, False, id="another time"),
    pytest.param({"instance_id": "o-2"}, False, id="another instance"),
    pytest.param({"workflow_type": "payout"}, False, id="another type"),
]


@pytest.mark.parametrize(("given", "same"), SAME)
def test_its_id_follows_from_what_it_says(given: dict[str, Any], same: bool) -> None:
    assert (event(**given)["event_id"] == event()["event_id"]) is same


WRONG = [
    pytest.param({"state": None}, "state", "is missing", id="no state"),
    pytest.param({"since": ""}, "since", "is missing", id="no time"),
    pytest.param(
        {"since": "2027-01-01T00:00:00Z"}, "since", "in the future: 2027-01-01", id="to come"
    ),
    pytest.param({"since": "lately"}, "since", "write RFC 3339", id="no time at all"),
    pytest.param({"since": 1772366400}, "since", "multiply it by", id="seconds"),
    pytest.param({"state": 7}, "state", "is an integer", id="a state that is no text"),
    pytest.param({"stat": "x"}, "stat", "did you mean 'state'?", id="a name nearly right"),
    pytest.param(
        {"from": "x"}, "from", "is not a field of an open instance", id="an event's field"
    ),
]


@pytest.mark.parametrize(("given", "field", "told"), WRONG)
def test_what_is_no_open_instance(given: dict[str, Any], field: str, told: str) -> None:
    with pytest.raises(Flaw) as caught:
        Seeding(NOW).event(ROW | given)
    assert caught.value.field == field
    assert told in caught.value.error


def test_lines_and_rows_say_the_same(tmp_path: Path) -> None:
    lines, rows = tmp_path / "a.ndjson", tmp_path / "a.csv"
    lines.write_text(json.dumps(ROW) + "\n\n7\n{\n" + json.dumps(ROW | {"state": ""}))
    rows.write_text(
        "Workflow Type,instance_id,state,since,shop\norder,o-1,review,2026-03-01T12:00:00Z,\n"
    )
    from_lines, from_rows = (read(each, seeding=Seeding(NOW)) for each in (lines, rows))
    assert from_lines.events == from_rows.events == [event()]
    assert from_lines.errors == [
        (3, "the row is not a JSON object; an open instance is one"),
        (4, "the row is not JSON: Input data was truncated"),
        (5, "state is missing; every open instance needs it"),
    ]


def test_a_snapshot_without_a_column_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("workflow_type,instance_id,status,since\n")
    with pytest.raises(SettingsError, match=r"no column gives state \(did you mean 'status'"):
        read(path, seeding=Seeding(NOW))

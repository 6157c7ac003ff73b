"""What is taken, what is set aside, and how it is told."""

import gzip
import json
import os
import tracemalloc
from pathlib import Path

import pytest

from service.importing.formats import Reading
from service.importing.source import Source
from tests.service_importing.collector import FakeCollector
from tests.service_importing.events import Run, left, line, lines

FILES = [
    pytest.param("f.ndjson", lines(20).encode(), [], id="lines"),
    pytest.param("f.ndjson.gz", gzip.compress(lines(20).encode()), [], id="gzip"),
    pytest.param(
        "f.csv",
        b"workflow_type,instance_id,to,occurred_at\n"
        + b"".join(b"order,o-%d,a,2026-03-01T12:00:00Z\n" % each for each in range(20)),
        [],
        id="CSV",
    ),
]


@pytest.mark.parametrize(("name", "content", "options"), FILES)
def test_everything_is_taken_once_in_small_bodies(
    run: Run,
    collector: FakeCollector,
    tmp_path: Path,
    name: str,
    content: bytes,
    options: list[str],
) -> None:
    (tmp_path / name).write_bytes(content)
    found = run(collector, name, *options)
    assert found.exit_code == 0, found.stderr
    assert found.stdout == f"{name}: 20 accepted, 0 rejected\n"
    assert {instance for instance, _ in collector.events} == {f"o-{each}" for each in range(20)}
    assert set(collector.copies.values()) == {1} and max(collector.sizes) <= 3
    assert left(tmp_path) == {name} & left(tmp_path)  # neither progress nor anything set aside
    again = run(collector, name, *options)
    assert again.exit_code == 0 and len(collector.events) == 20  # the same events


def test_bad_rows_are_named_set_aside_and_can_be_mended(
    run: Run, collector: FakeCollector, tmp_path: Path
) -> None:
    path = tmp_path / "f.ndjson"
    path.write_text(lines(9, bad=4) + "{\n")
    found = run(collector, "f.ndjson")
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        *(
            f"rejected  f.ndjson:{number}: to is missing; every transition event needs it"
            for number in (1, 5, 9)
        ),
        "rejected  f.ndjson:10: the record is not JSON: Input data was truncated",
        "f.ndjson: 6 accepted, 4 rejected (3 missing, 1 malformed),"
        " set aside in f.ndjson.rejected.ndjson",
    ]
    aside = tmp_path / "f.ndjson.rejected.ndjson"
    kept = [json.loads(each) for each in aside.read_text().splitlines()]
    assert [(each["line"], each["field"], each["reason"]) for each in kept] == [
        (1, "to", "missing"),
        (5, "to", "missing"),
        (9, "to", "missing"),
        (10, "", "malformed"),
    ]
    assert kept[1]["row"]["instance_id"] == "o-4" and kept[3]["text"] == "{"

    mended = [each for each in kept if "row" in each]
    for each in mended:
        each["row"]["to"] = "a"
    aside.write_text("".join(json.dumps(each) + "\n" for each in mended))
    assert run(collector, aside.name).exit_code == 0
    assert {instance for instance, _ in collector.events} == {f"o-{each}" for each in range(9)}

    path.write_text(lines(9))
    assert run(collector, "f.ndjson").exit_code == 0
    assert not aside.exists()  # of an import that set nothing aside; what was there is kept
    assert (tmp_path / "f.ndjson.rejected.ndjson.old").exists()


CSV = '''\
id;workflow_type;to;occurred_at;sequence;note
o-0;order;a;2026-03-01T12:00:00Z;1;"fine; really"
o-1;order;;2026-03-01T12:00:00Z;2;"two
lines"
o-2;order;a;2026-03-01T12:00:00Z;three;"a ""quote"""
o-3;order;a
'''


def test_rows_of_csv_are_mended_in_their_own_columns(
    run: Run, collector: FakeCollector, tmp_path: Path
) -> None:
    (tmp_path / "f.csv").write_text(CSV)
    options = ["--column", "id=instance_id"]
    assert run(collector, "f.csv", *options).exit_code == 1
    aside = tmp_path / "f.csv.rejected.csv"
    text = aside.read_text()
    assert text.splitlines()[0] == (
        "id;workflow_type;to;occurred_at;sequence;note;donewatch_line;donewatch_field;"
        "donewatch_reason;donewatch_error;donewatch_text"
    )
    whole = text.replace("order;;", "order;a;").replace("Z;three;", "Z;3;")
    aside.write_text("".join(whole.splitlines(keepends=True)[:-1]))  # the last cannot be told apart
    assert "o-3;order;a" in whole.splitlines()[-1]
    assert run(collector, aside.name, *options).exit_code == 0
    assert {instance for instance, _ in collector.events} == {"o-0", "o-1", "o-2"}
    notes = {event.instance_id: json.loads(event.attributes) for event in collector.events.values()}
    assert notes == {
        "o-0": {"note": "fine; really"},
        "o-1": {"note": "two\nlines"},
        "o-2": {"note": 'a "quote"'},
    }


def test_for_machines(run: Run, collector: FakeCollector, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text(lines(5, bad=3))
    (tmp_path / "b.ndjson").write_text(lines(5))
    found = run(collector, "a.ndjson", "b.ndjson", "--json")
    assert (found.exit_code, found.stderr) == (1, "")
    told = json.loads(found.stdout)
    first, second = told.pop("files")
    assert told == {"accepted": 8, "rejected": 2, "reasons": {"missing": 2}}
    rows = first.pop("rows")
    assert [(row["line"], row["field"], row["reason"]) for row in rows] == [
        (1, "to", "missing"),
        (4, "to", "missing"),
    ]
    assert first == {
        "file": "a.ndjson",
        "accepted": 3,
        "rejected": 2,
        "reasons": {"missing": 2},
        "set_aside": "a.ndjson.rejected.ndjson",
        "stopped_before": None,
    }
    assert (second["accepted"], second["rejected"], second["set_aside"]) == (5, 0, None)


def test_a_dry_run_says_the_same_and_leaves_nothing(
    run: Run, collector: FakeCollector, tmp_path: Path
) -> None:
    (tmp_path / "f.ndjson").write_text(lines(9, bad=4) + "[]\n{\n")
    dry = run(collector, "f.ndjson", "--check")
    assert collector.tokens == set() and left(tmp_path) == set()
    wet = run(collector, "f.ndjson")
    assert dry.exit_code == wet.exit_code == 1
    assert wet.stdout == dry.stdout.replace(")\n", "), set aside in f.ndjson.rejected.ndjson\n")


@pytest.mark.parametrize(
    ("text", "bad", "taken"),
    [
        pytest.param(lines(20, bad=8).replace("o-0", "x", 1), 1, 0, id="the first"),
        pytest.param(lines(8) + line(8, to="") + lines(30), 9, 8, id="amid a batch"),
        pytest.param(lines(8) + "\n\n[1]\n" + lines(30), 11, 8, id="an array after blank lines"),
    ],
)
def test_strict_takes_all_before_the_first_bad_row_and_nothing_after(
    run: Run, collector: FakeCollector, tmp_path: Path, text: str, bad: int, taken: int
) -> None:
    path = tmp_path / "f.ndjson"
    path.write_text(text)
    found = run(collector, "f.ndjson", "--strict")
    assert found.exit_code == 1
    assert f"rejected  f.ndjson:{bad}: " in found.stdout
    assert f"stopped before line {bad}; {taken} accepted" in found.stdout
    assert {instance for instance, _ in collector.events} == {f"o-{each}" for each in range(taken)}
    assert not (tmp_path / "f.ndjson.rejected.ndjson").exists()
    path.write_text(lines(12))
    assert run(collector, "f.ndjson", "--strict").exit_code == 0
    assert len(collector.events) == 12


def test_strict_stops_in_csv_as_well(run: Run, collector: FakeCollector, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(CSV.replace("order;;", "order;a;"))
    found = run(collector, "f.csv", "--column", "id=instance_id", "--strict", "--json")
    told = json.loads(found.stdout)["files"][0]
    assert (found.exit_code, told["accepted"], told["stopped_before"]) == (1, 2, 5)
    assert {instance for instance, _ in collector.events} == {"o-0", "o-1"}


def test_a_file_cut_short_is_taken_up_to_there(
    run: Run, collector: FakeCollector, tmp_path: Path
) -> None:
    random = os.urandom(40_000).hex()  # nothing to compress away
    rows = "".join(line(number, reason=random[number * 100 :][:1000]) for number in range(500))
    whole = gzip.compress(rows.encode())
    (tmp_path / "f.ndjson.gz").write_bytes(whole[: len(whole) // 2])
    found = run(collector, "f.ndjson.gz")
    assert found.exit_code == 2 and "damaged or cut short after line" in found.stderr
    assert "copy it again" in found.stderr and 0 < len(collector.events) < 500


@pytest.mark.parametrize(
    ("name", "head", "row"),
    [
        pytest.param("f.ndjson", "", line(1, reason="x" * 900), id="lines"),
        pytest.param(
            "f.csv",
            "workflow_type,instance_id,to,reason\n",
            f"order,1,a,{'x' * 900}\n",
            id="CSV",
        ),
    ],
)
def test_memory_does_not_follow_the_file(tmp_path: Path, name: str, head: str, row: str) -> None:
    path = tmp_path / name
    path.write_text(head + row * 20_000)
    source = Source(str(path))
    reader = Reading().reader(source)
    tracemalloc.start()
    try:
        with source.open(alone=False) as opened:
            for batch in reader.batches(opened.stream, reader.begin(opened.stream)):
                batch.texts()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 18_000_000 and peak < 9_000_000

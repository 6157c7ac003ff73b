"""Rows of CSV become events; each bad one is named with its line and leaves the others alone."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifecycle.errors import SettingsError
from service.importing.columns import Wishes
from service.terminal.importing import zone_of
from tests.service_importing.reading import read

HEADER = "event,workflow_type,instance_id,to,occurred_at,attempt,shop\n"
ROW = "transition,order,{},paid,2026-03-01T12:00:00Z,,eu\n"


def write(tmp_path: Path, text: str | bytes, name: str = "f.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


READINGS = [
    pytest.param(HEADER + ROW.format(1), {}, id="commas"),
    pytest.param("\ufeff" + HEADER + ROW.format(1), {}, id="with a mark"),
    pytest.param((HEADER + ROW.format(1)).replace(",", ";"), {}, id="semicolons"),
    pytest.param((HEADER + ROW.format(1)).replace(",", "\t"), {}, id="tabs"),
    pytest.param((HEADER + ROW.format(1)).replace("\n", "\r\n"), {}, id="lines of another system"),
    pytest.param(HEADER + ROW.format(1).rstrip(), {}, id="without a last break"),
    pytest.param("\n \n" + HEADER + "\n" + ROW.format(1) + "\n\n", {}, id="blank lines"),
    pytest.param(
        (HEADER + ROW.format(1)).replace(",", "~"),
        {"delimiter": "~"},
        id="a delimiter that is named",
    ),
    pytest.param(
        HEADER.replace("instance_id", " Instance-ID ").replace("to,", "donewatch.To,")
        + ROW.format(1),
        {},
        id="names in other letters",
    ),
    pytest.param(
        HEADER.replace("instance_id", "order no")
        .replace("event,", "x,")
        .replace("order,", "order,")
        + ROW.format(1),
        {
            "wishes": Wishes(
                renamed=[("order no", "instance_id")],
                constants=[("event", "transition")],
                left_out=["x"],
            )
        },
        id="renamed, constant and left out",
    ),
    pytest.param(
        HEADER.replace("event,", "donewatch_line,") + ROW.format(1).replace("transition", "7"),
        {},
        id="a transition unless it says what, and no columns of ours",
    ),
    pytest.param(
        HEADER.replace("shop", "where") + ROW.format(1),
        {"wishes": Wishes(renamed=[("where", "attributes.shop")])},
        id="an attribute with another name",
    ),
    pytest.param(
        HEADER.replace("shop", "attributes") + ROW.format(1).replace("eu", '"{""shop"": ""eu""}"'),
        {},
        id="attributes as JSON",
    ),
    pytest.param(
        HEADER.replace(",shop", "") + ROW.format(1).replace(",eu", ""),
        {"wishes": Wishes(constants=[("attributes.shop", "eu")])},
        id="a constant attribute",
    ),
    pytest.param(
        HEADER.replace("shop", "shop,") + ROW.format(1).replace("eu", "eu,"),
        {},
        id="an empty column without a name",
    ),
]


@pytest.mark.parametrize(("text", "how"), READINGS)
def test_the_same_event_written_in_many_ways(
    tmp_path: Path, text: str, how: dict[str, Any]
) -> None:
    found = read(write(tmp_path, text), **{"format": "csv", **how})
    assert found.refused == []
    assert found.events == [
        {
            "event": "transition",
            "workflow_type": "order",
            "instance_id": "1",
            "to": "paid",
            "occurred_at": "2026-03-01T12:00:00Z",
            "attributes": {"shop": "eu"},
        }
    ]


@pytest.mark.parametrize(
    ("cell", "zone", "expected"),
    [
        ("2026-07-01 12:00:00", "Europe/Berlin", "2026-07-01T12:00:00+02:00"),
        ("2026-12-01T12:00:00.5", "Europe/Berlin", "2026-12-01T12:00:00.500000+01:00"),
        ("2026-12-01 12:00", "+05:30", "2026-12-01T12:00:00+05:30"),
        ("2026-10-25 02:30:00", "Europe/Berlin", "2026-10-25T02:30:00+02:00"),
        ("2026-12-01T12:00:00Z", "Europe/Berlin", "2026-12-01T12:00:00Z"),
        (" 2026-12-01T12:00:00Z ", "", "2026-12-01T12:00:00Z"),
        ("1772366400000000000", "Europe/Berlin", "1772366400000000000"),
        ("soon", "Europe/Berlin", "soon"),
    ],
)
def test_times_and_their_zone(tmp_path: Path, cell: str, zone: str, expected: str) -> None:
    text = HEADER + ROW.format(1).replace("2026-03-01T12:00:00Z", cell)
    found = read(write(tmp_path, text), wishes=Wishes(zone=zone_of(zone)))
    assert [event["occurred_at"] for event in found.events] == [expected]


@pytest.mark.parametrize("text", ["Berlin", "+2", "../etc/passwd", "CETT", "+99:00"])
def test_a_zone_that_is_none(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--zone: there is no zone .* \(.+\)"):
        zone_of(text)


GOOD = ROW.format("good")
BAD = [
    pytest.param(
        ROW.format(1).replace(",,", ",two,"),
        ["attempt is 'two'; write a whole number"],
        id="no number",
    ),
    pytest.param(
        ROW.format(1).replace(",,", "," + "9" * 5000 + ","),
        ["attempt does not fit 64 bits"],
        id="a huge number",
    ),
    pytest.param(
        ROW.format(1).replace("T12:00:00Z", " 12:00"),
        ["which has no zone; say which one, as --zone UTC"],
        id="a time without a zone",
    ),
    pytest.param("transition,order,1\n", ["has 3 cells, the header has 7"], id="too few cells"),
    pytest.param(ROW.format(1).strip() + ",more\n", ["has 8 cells"], id="too many cells"),
    pytest.param(
        'transition,order,"a"b,paid,,,\n', ["stands within a quoted text"], id="a quote in a text"
    ),
    pytest.param(ROW.format('"o'), ["is opened and not closed"], id="a quote that is never closed"),
    pytest.param(
        b"transition,order,\xe9,paid,,,\n",
        ["is not UTF-8; convert it first"],
        id="another encoding",
    ),
    pytest.param(
        b'transition,order,"a\n\xe9",paid,,,\n',
        ["is not UTF-8; convert it first"],
        id="another encoding in a second line",
    ),
    pytest.param("a\rb,order,1,paid,,,\n", ["line break of another kind"], id="a lone CR"),
]


@pytest.mark.parametrize(("bad", "told"), BAD)
def test_a_bad_row_is_named_and_the_others_are_read(
    tmp_path: Path, bad: str | bytes, told: list[str]
) -> None:
    row = bad.encode() if isinstance(bad, str) else bad
    found = read(write(tmp_path, (HEADER + GOOD).encode() + row + GOOD.encode() * 2))
    assert [(line, True) for line, _ in found.errors] == [(3, True)]
    assert [
        part for part, (_, error) in zip(told, found.errors, strict=True) if part not in error
    ] == []
    assert [event["instance_id"] for event in found.events] == ["good"] * 3


def test_a_cell_under_no_name(tmp_path: Path) -> None:
    text = HEADER.replace("shop", "") + ROW.format(1)
    ((line, error),) = read(write(tmp_path, text)).errors
    assert (line, error) == (2, "column 7 is 'eu', but has no name in the header; give it one")


def test_lines_are_counted_through_quoted_breaks(tmp_path: Path) -> None:
    text = HEADER + ROW.format('"a\n\nb"') + ROW.format(1).replace(",,", ",x,") + ROW.format(2)
    found = read(write(tmp_path, text))
    assert [line for line, _ in found.errors] == [5]
    assert [event["instance_id"] for event in found.events] == ["a\n\nb", "2"]


CELL = st.text(st.sampled_from('ab,;"\n\r\té '), max_size=6)


@given(rows=st.lists(st.tuples(CELL, CELL, CELL), max_size=12))
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_a_csv_writer_writes_is_read_and_gone_on_with(
    small: None, tmp_path: Path, rows: list[tuple[str, str, str]]
) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["workflow_type", "instance_id", "to", "one", "two", "three"])
    for row in rows:
        writer.writerow(["order", "1", "paid", *row])
    path = write(tmp_path, out.getvalue())
    whole = read(path)
    assert whole.refused == []
    names = ("one", "two", "three")
    assert [event.get("attributes", {}) for event in whole.events] == [
        {name: cell for name, cell in zip(names, row, strict=True) if cell} for row in rows
    ]
    assert all(len(batch.texts()) <= 3 for batch in whole.batches)
    for at, batch in enumerate(whole.batches):
        rest = read(path, batch.end)
        assert rest.texts == [text for each in whole.batches[at + 1 :] for text in each.texts()]


def test_a_quote_left_open_costs_its_own_line_only(tmp_path: Path) -> None:
    rows = [ROW.format('"o' if number % 7 == 3 else number) for number in range(50)]
    found = read(write(tmp_path, HEADER + "".join(rows)))
    # a later open quote may close an earlier one: what lies between is refused, never misread
    assert {event["instance_id"] for event in found.events} <= {str(each) for each in range(50)}
    assert len(found.events) + len(found.refused) == 50
    assert all(error for _, error in found.errors)


WRONG = [
    pytest.param("a.csv", "", {}, "is empty: its first line must name the columns", id="empty"),
    pytest.param("a.csv", '{"event": "job"}\n', {}, "looks like JSON", id="JSON"),
    pytest.param("a.csv", b"workflow_type,\xe9\n", {}, "not UTF-8", id="another encoding"),
    pytest.param("a.csv", 'workflow_type,"x\n', {}, "header cannot be read", id="an open quote"),
    pytest.param("a.csv", "a,a\n", {}, "two columns 'a'", id="a name twice"),
    pytest.param("a.csv", "order,submitted\n", {}, "no column gives workflow_type", id="no header"),
    pytest.param(
        "a.csv",
        "workflow_type,instanceid,to\n",
        {},
        r"gives instance_id \(did you mean 'instanceid': --column instanceid=instance_id\)",
        id="a name nearly right",
    ),
    pytest.param(
        "a.csv",
        "workflow_type,instance_id\n",
        {"wishes": Wishes(constants=[("event", "job")])},
        "no column gives job_id",
        id="what a job needs",
    ),
    pytest.param(
        "a.csv",
        HEADER,
        {"wishes": Wishes(renamed=[("shoop", "reason")])},
        r"no column 'shoop' \(did you mean 'shop'\?\)",
        id="renaming what is not there",
    ),
    pytest.param(
        "a.csv",
        HEADER,
        {"wishes": Wishes(renamed=[("shop", "reasen")])},
        r"no field 'reasen' \(did you mean 'reason'\?\).*attributes.reasen",
        id="renaming to nothing known",
    ),
    pytest.param(
        "a.csv",
        HEADER,
        {"wishes": Wishes(renamed=[("shop", "to")])},
        "column 'to' and column 'shop' both give to",
        id="two for one field",
    ),
    pytest.param(
        "a.csv",
        "event_id,id,workflow_type,instance_id,to\n",
        {"wishes": Wishes(renamed=[("id", "event_id")])},
        "both give event_id",
        id="two for one field, one by name",
    ),
    pytest.param(
        "a.csv",
        HEADER,
        {"wishes": Wishes(constants=[("to", "x")])},
        "column 'to' and --set to both give to",
        id="a constant and a column",
    ),
    pytest.param(
        "a.csv",
        HEADER,
        {"wishes": Wishes(constants=[("sequence", "x")])},
        "--set sequence: sequence is 'x'",
        id="a constant that is no number",
    ),
    pytest.param(
        "a.csv",
        HEADER,
        {"wishes": Wishes(left_out=["shp"])},
        "--ignore: .*'shp'",
        id="leaving out nothing",
    ),
    pytest.param(
        "a.csv",
        HEADER,
        {"wishes": Wishes(left_out=["shop", "shop"])},
        "named twice",
        id="leaving out twice",
    ),
    pytest.param(
        "a.ndjson",
        "{}",
        {"wishes": Wishes(left_out=["shop"])},
        "is NDJSON: --column",
        id="columns of lines",
    ),
    pytest.param(
        "a.csv", HEADER, {"format": "cvs"}, r"no 'cvs' \(did you mean 'csv'\?\)", id="a format"
    ),
]


@pytest.mark.parametrize(("name", "text", "how", "told"), WRONG)
def test_what_cannot_be_read_says_what_would_be_right(
    tmp_path: Path, name: str, text: str | bytes, how: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        read(write(tmp_path, text, name), **how)


def test_how_columns_are_understood_is_said(tmp_path: Path) -> None:
    text = "Workflow Type,instance_id,to,amount,shop\n"
    found = read(write(tmp_path, text))
    assert found.remarks[:2] == ["Workflow Type → workflow_type", "to attributes: amount, shop"]
    assert "no column gives occurred_at" in found.remarks[2]

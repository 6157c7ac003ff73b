"""Lines come out as they are in the file, numbered, in bounded pieces, from any place on."""

import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import service.importing.ndjson
from collector.records import Reason
from lifecycle.errors import SettingsError
from service.importing.batch import Place
from service.importing.ndjson import pieces
from tests.service_importing.reading import read

CONTENT = st.lists(
    st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b"\n\n", b" ", b"x" * 50, b"\xff"]), max_size=60
).map(b"".join)


@given(content=CONTENT)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_pieces_are_the_lines_of_the_file(small: None, content: bytes) -> None:
    expected = content.split(b"\n")
    if not expected[-1]:
        expected.pop()
    found = list(pieces(io.BytesIO(content), Place()))
    assert [line for piece in found for line in piece.lines] == expected
    assert all(len(piece.lines) <= 3 for piece in found)
    numbers = [number for each in found for number in range(each.first, each.end.line + 1)]
    assert numbers == list(range(1, len(expected) + 1))
    assert (found[-1].end if found else Place()) == Place(len(content), len(expected))
    for at, piece in enumerate(found):  # go on from any of them
        rest = list(pieces(io.BytesIO(content[piece.end.offset :]), piece.end))
        lines = [line for each in rest for line in each.lines]
        assert lines == [line for each in found[at + 1 :] for line in each.lines]


LONG = b"y" * 5_000


@pytest.mark.parametrize(
    ("content", "lines", "too_long"),
    [
        pytest.param(b"a\n" + LONG + b"\nb\nc", {1: b"a", 3: b"b", 4: b"c"}, [2], id="amid others"),
        pytest.param(LONG + b"\n" + LONG, {}, [1, 2], id="two of them and nothing else"),
        pytest.param(b"a\n" + LONG, {1: b"a"}, [2], id="at the end without a break"),
    ],
)
def test_a_line_beyond_measure_is_named_and_never_held(
    small: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: bytes,
    lines: dict[int, bytes],
    too_long: list[int],
) -> None:
    monkeypatch.setattr(service.importing.ndjson, "LONGEST_LINE", 1_000)
    found = list(pieces(io.BytesIO(content), Place()))
    assert {p.first + i: x for p in found if not p.too_long for i, x in enumerate(p.lines)} == lines
    assert [p.first for p in found if p.too_long] == too_long
    assert max(len(x) for p in found for x in p.lines) < 2_000
    assert found[-1].end.offset == len(content)
    (tmp_path / "f.ndjson").write_bytes(content)
    refused = read(tmp_path / "f.ndjson").refused
    assert [(each.line, each.reason) for each in refused] == [
        (line, Reason.TOO_LARGE) for line in too_long
    ]


def line(number: int) -> bytes:
    return json.dumps({"event": "visible", "instance_id": f"{number}"}).encode()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\n".join(map(line, range(20))), id="plain"),
        pytest.param(b"\xef\xbb\xbf" + b"\n".join(map(line, range(20))), id="with a mark"),
        pytest.param(b"\r\n\r\n".join(map(line, range(20))), id="blank lines and CR"),
        pytest.param(gzip.compress(b"\n".join(map(line, range(20)))), id="gzip"),
        pytest.param(
            b"".join(gzip.compress(line(each) + b"\n") for each in range(20)), id="gzip members"
        ),
    ],
)
def test_going_on_from_the_end_of_any_batch(small: None, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.ndjson"
    path.write_bytes(content)
    whole = read(path)
    assert [event["instance_id"] for event in whole.events] == [str(each) for each in range(20)]
    for at, batch in enumerate(whole.batches):
        rest = read(path, batch.end)
        assert rest.texts == [text for each in whole.batches[at + 1 :] for text in each.texts()]


def test_a_refused_line_is_found_again_by_its_number(small: None, tmp_path: Path) -> None:
    path = tmp_path / "f.ndjson"
    path.write_bytes(b"\n\na\n\nb\n\n\nc\n")
    batches = read(path).batches
    found = [
        batch.refuse(index, Reason.TYPE, "", "x")
        for batch in batches
        for index in range(len(batch.texts()))
    ]
    assert [(each.line, each.original) for each in found] == [(3, b"a"), (5, b"b"), (8, b"c")]
    assert list(batches[0].before(5)) == [b"a"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        pytest.param("a.json", b' \n [{"event": 1}]', "one JSON array", id="an array"),
        pytest.param("a.ndjson", b"\xff\xfe{\x00", "UTF-16", id="UTF-16"),
        pytest.param("a.ndjson", b"PK\x03\x04abc", "zip", id="a zip archive"),
        pytest.param("a.ndjson", b"\x1f\x8bnonsense", "damaged", id="gzip in name alone"),
        pytest.param("a.txt", b"{}", "--format", id="a name that says nothing"),
    ],
)
def test_what_is_plainly_no_file_of_lines(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=told):
        read(tmp_path / name)

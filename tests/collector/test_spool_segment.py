"""The file of a segment: what can be read of it, whatever happened to its bytes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.spool.segment import (
    HEADER_BYTES,
    Contents,
    Damage,
    Frame,
    FrameKind,
    contents,
    encode_frame,
    encode_header,
    scan,
)

ID = bytes(range(16))
FRAMES = [
    Frame(FrameKind.EVENTS, 2, 30, b"first data"),
    Frame(FrameKind.REJECTED, 1, 20, b"[second]"),
    Frame(FrameKind.EVENTS, 3, 25, b"the third"),
]


def file_of(frames: list[Frame], id_: bytes = ID) -> bytes:
    parts = [encode_header(id_, 7, "collector-1", 99)]
    for frame in frames:
        parts += encode_frame(id_, frame)
    return b"".join(parts)


FILE = file_of(FRAMES)
STARTS = [len(file_of(FRAMES[:count])) for count in range(4)]


def test_what_was_written_is_read() -> None:
    found = scan(FILE)
    assert (found.id, list(found.frames), found.damages) == (ID, FRAMES, [])
    assert (found.end, found.torn, found.format) == (len(FILE), 0, 99)


def test_the_heads_alone_tell_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(FILE)
    assert contents(path) == Contents(6, 20, len(FILE))


@pytest.mark.parametrize("last", [1, 2, 3])
def test_a_torn_end_costs_the_last_frame_alone(tmp_path: Path, last: int) -> None:
    """At every byte of it."""
    path = tmp_path / "segment"
    for cut in range(STARTS[last - 1], STARTS[last]):
        data = FILE[:cut]
        found = scan(data)
        assert list(found.frames) == FRAMES[: last - 1]
        assert found.damages in ([], ())
        assert found.torn == cut - STARTS[last - 1]
        if found.torn:
            path.write_bytes(data)
            assert contents(path) is None


def test_a_torn_header_is_an_empty_file() -> None:
    for cut in range(HEADER_BYTES):
        found = scan(FILE[:cut])
        assert (list(found.frames), found.torn, found.end) == ([], cut, 0)


@pytest.mark.parametrize("damaged", [0, 1])
def test_any_wrong_byte_of_a_frame_costs_that_frame_alone(damaged: int) -> None:
    for at in range(STARTS[damaged], STARTS[damaged + 1]):
        data = bytearray(FILE)
        data[at] ^= 0x41
        found = scan(bytes(data))
        assert list(found.frames) == [*FRAMES[:damaged], *FRAMES[damaged + 1 :]], at
        size = STARTS[damaged + 1] - STARTS[damaged]
        assert found.damages == [Damage(STARTS[damaged], size)]
        assert found.torn == 0


def test_any_wrong_byte_of_the_last_frame_is_a_torn_end() -> None:
    for at in range(STARTS[2], STARTS[3]):
        data = bytearray(FILE)
        data[at] ^= 0x41
        found = scan(bytes(data))
        assert (list(found.frames), found.end) == (FRAMES[:2], STARTS[2])
        assert found.torn == STARTS[3] - STARTS[2]


def test_any_wrong_byte_of_the_header_costs_no_frame() -> None:
    for at in range(HEADER_BYTES):
        data = bytearray(FILE)
        data[at] ^= 0x41
        found = scan(bytes(data))
        assert list(found.frames) == FRAMES, at
        assert (found.id, found.damages) == (ID, [Damage(0, HEADER_BYTES)])
        assert found.format is None


def test_a_hole_over_several_frames_costs_these() -> None:
    begin, end = STARTS[0] + 3, STARTS[1] + 5
    found = scan(FILE[:begin] + bytes(end - begin) + FILE[end:])
    assert list(found.frames) == FRAMES[2:]
    assert found.damages == [Damage(STARTS[0], STARTS[2] - STARTS[0])]


def test_nobody_can_smuggle_a_frame_in_through_what_they_send() -> None:
    """What a producer sends may look like a frame; it shows when the one around it is damaged."""
    smuggled = b"".join(encode_frame(b"guess at the id!", FRAMES[0]))
    frames = [Frame(FrameKind.EVENTS, 1, 1, b"{" + smuggled + b"}"), FRAMES[1]]
    data = bytearray(file_of(frames))
    data[HEADER_BYTES + 17] ^= 1
    assert list(scan(bytes(data)).frames) == [FRAMES[1]]


@pytest.mark.parametrize("data", [b"", b"\0" * 10, b"\0" * 4096, b"x" * 300], ids=len)
def test_what_is_no_segment_has_no_frames(data: bytes) -> None:
    found = scan(data)
    assert (list(found.frames), found.torn) == ([], len(data))


_FRAMES = st.lists(
    st.builds(
        Frame,
        st.sampled_from(FrameKind),
        st.integers(0, 2**32 - 1),
        st.integers(-(2**63), 2**63 - 1),
        st.binary(max_size=200),
    ),
    min_size=1,
    max_size=6,
)


@given(frames=_FRAMES, data=st.data())
def test_a_cut_file_has_the_frames_before_the_cut(frames: list[Frame], data: st.DataObject) -> None:
    file = file_of(frames)
    cut = data.draw(st.integers(HEADER_BYTES, len(file)))
    found = scan(file[:cut])
    assert list(found.frames) == frames[: len(found.frames)]
    assert found.end == len(file_of(frames[: len(found.frames)]))
    assert found.end + found.torn == cut


@given(frames=_FRAMES, data=st.data())
def test_whatever_is_overwritten_only_what_was_written_is_read(
    frames: list[Frame], data: st.DataObject
) -> None:
    file = bytearray(file_of(frames))
    at = data.draw(st.integers(0, len(file) - 1))
    noise = data.draw(st.binary(min_size=1, max_size=100))
    file[at : at + len(noise)] = noise[: len(file) - at]
    left = iter(frames)
    assert all(frame in left for frame in scan(bytes(file)).frames)

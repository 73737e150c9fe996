"""What a spool segment gives back, whole, torn and damaged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.recorder import segment
from flightlog.recorder.segment import HEADER, frame, read_chunk

BODIES = [f'{{"n":{n},"text":"{"x" * (n * 7 % 90)}"}}'.encode() for n in range(1, 21)]


def write(path: Path, data: bytes) -> int:
    path.write_bytes(data)
    return os.open(path, os.O_RDONLY)


def whole() -> bytes:
    return HEADER + b"".join(frame(seq, body) for seq, body in enumerate(BODIES, 1))


def read_all(
    fd: int, bytes_max: int = 1 << 20, records_max: int = 1000
) -> tuple[list[tuple[int, bytes]], segment.Chunk]:
    records: list[tuple[int, bytes]] = []
    offset = 0
    for _ in range(10_000):
        chunk = read_chunk(fd, offset, bytes_max=bytes_max, records_max=records_max)
        records += chunk.records
        if chunk.offset == offset or chunk.closed_at is not None:
            return records, chunk
        offset = chunk.offset
    raise AssertionError("the reader does not come to an end")


def test_what_was_framed_is_read_back_in_order(tmp_path: Path) -> None:
    records, chunk = read_all(write(tmp_path / "s", whole()))
    assert records == list(enumerate(BODIES, 1))
    assert chunk.damages == []
    assert chunk.closed_at is None


@pytest.mark.parametrize("bytes_max", [1, 30, 64, 100, 1000])
@pytest.mark.parametrize("records_max", [1, 3, 100])
def test_small_looks_read_the_same_as_one_large_look(tmp_path: Path, bytes_max: int, records_max: int) -> None:
    records, _ = read_all(write(tmp_path / "s", whole() + frame(20, b"")), bytes_max, records_max)
    assert records == list(enumerate(BODIES, 1))


def test_a_closing_record_says_what_the_last_number_was(tmp_path: Path) -> None:
    _, chunk = read_all(write(tmp_path / "s", whole() + frame(20, b"")))
    assert chunk.closed_at == 20


def test_a_torn_tail_is_left_unread_at_every_length(tmp_path: Path) -> None:
    data = whole()
    last = len(frame(20, BODIES[-1]))
    for cut in range(1, last):
        fd = write(tmp_path / "s", data[:-cut])
        records, chunk = read_all(fd)
        os.close(fd)
        assert [seq for seq, _ in records] == list(range(1, 20)), cut
        assert chunk.damages == []
        assert chunk.unfinished == last - cut


def test_a_torn_tail_can_be_finished_later(tmp_path: Path) -> None:
    data = whole()
    fd = write(tmp_path / "s", data[:-5])
    _, chunk = read_all(fd)
    with (tmp_path / "s").open("ab") as file:
        file.write(data[-5:])
    assert [seq for seq, _ in read_chunk(fd, chunk.offset, bytes_max=1000, records_max=9).records] == [20]


@given(place=st.integers(0, len(whole()) - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_costs_at_most_the_record_it_is_in(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    data = bytearray(whole() + frame(20, b""))
    data[place] ^= 1 << bit
    fd = write(tmp_path_factory.mktemp("flip") / "s", bytes(data))
    records, chunk = read_all(fd)
    os.close(fd)
    bounds, at = [], len(HEADER)
    for seq, body in enumerate(BODIES, 1):
        bounds.append((seq, at, at + len(frame(seq, body))))
        at = bounds[-1][2]
    hit = [seq for seq, start, end in bounds if start <= place < end]
    assert [record for record in enumerate(BODIES, 1) if record[0] not in hit] == records
    assert chunk.closed_at == 20


@given(data=st.binary(max_size=400))
def test_garbage_is_never_taken_for_records_and_always_ends(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    fd = write(tmp_path_factory.mktemp("garbage") / "s", data)
    records, _ = read_all(fd, bytes_max=50)
    os.close(fd)
    assert records == []


def test_a_hole_in_the_middle_is_reported_with_its_place(tmp_path: Path) -> None:
    data = bytearray(whole())
    start = len(HEADER) + sum(len(frame(seq, body)) for seq, body in enumerate(BODIES[:4], 1))
    data[start : start + 3] = b"\0\0\0"
    chunk = read_chunk(write(tmp_path / "s", bytes(data)), 0, bytes_max=1 << 20, records_max=100)
    assert chunk.damages == [segment.Damage(start, len(frame(5, BODIES[4])), 4)]
    assert [seq for seq, _ in chunk.records] == [1, 2, 3, 4, *range(6, 21)]

"""Protobuf messages in a file, told apart: one alone, or several with their length before each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from flightlog.ingest.importers.base import Problem

REPEATED_1 = 0x0A  # field 1, length-delimited: what every Export*ServiceRequest is made of
_FOUR = 4

Frame = tuple[str, bytes | Problem]  # a place, and the message there or what is wrong


def frames(file: BinaryIO, bytes_max: int) -> Iterator[Frame]:
    """The messages of a file, which is read whole. What is left over at its end, or longer than the file, is a problem."""
    data = file.read(bytes_max + 1)
    if len(data) > bytes_max:
        yield "file", Problem("file", f"it has more than {bytes_max} bytes")
        return
    if _is_message(data, 0, len(data)):
        yield "file", data
        return
    best = max((_framed(data, length) for length in (_big_endian, _varint)), key=lambda found: found[1])
    spans, end = best
    for number, (first, last) in enumerate(spans, 1):
        yield f"message {number}", data[first:last]
    if end < len(data):
        reason = f"at byte {end} there is no whole message any more: the file is cut off or damaged"
        yield "file", Problem(f"after message {len(spans)}" if spans else "file", reason)


def _framed(data: bytes, length: Callable[[bytes, int], tuple[int, int]]) -> tuple[list[tuple[int, int]], int]:
    """Where the messages lie if their lengths are written like this, and how far that goes."""
    spans: list[tuple[int, int]] = []
    at = 0
    while at < len(data):
        size, first = length(data, at)
        if size < 1 or first + size > len(data) or not _is_message(data, first, first + size):
            break
        spans.append((first, first + size))
        at = first + size
    return spans, at


def _is_message(data: bytes, at: int, end: int) -> bool:
    """Whether these bytes are nothing but fields 1 of a length each."""
    while at < end:
        if data[at] != REPEATED_1:
            return False
        size, first = _varint(data, at + 1)
        at = first + size
        if size < 0:
            return False
    return at == end


def _big_endian(data: bytes, at: int) -> tuple[int, int]:
    if at + _FOUR > len(data):
        return -1, at
    return int.from_bytes(data[at : at + _FOUR], "big"), at + _FOUR


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number and where what follows it begins; -1 where there is none."""
    number = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    return -1, at

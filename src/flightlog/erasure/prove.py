"""Looking for erased payloads in files: short pieces of each, searched for byte by byte."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import re2
from sqlalchemy import Connection, func, select

from flightlog.journal.table import event_payloads
from flightlog.store import beside
from flightlog.store.contract import Store

PIECE_BYTES = 24
PIECES_A_PAYLOAD = 2
PIECES_MAX = 2_000  # of all that is erased; with more, payloads are taken at even distances
CHUNK_BYTES = 4 * 1024 * 1024
PATTERN_PIECES_MAX = 250


class Samples:
    """Pieces of payloads that must not be found any more. `elsewhere` of them are also in payloads that stay."""

    def __init__(self) -> None:
        self.pieces: dict[bytes, None] = {}
        self.elsewhere = 0
        self._step, self._seen = 1, 0

    def __bool__(self) -> bool:
        return bool(self.pieces)

    def add(self, payloads: Iterable[tuple[str, str]]) -> None:
        """Take pieces of these payloads, each with ids that stay where they are; when there are too many, of fewer of them."""
        for payload, ids in payloads:
            self._seen += 1
            if self._seen % self._step:
                continue
            stays = ids.encode()
            for piece in _pieces_of(payload.encode()):
                if piece not in stays:
                    self.pieces[piece] = None
            if len(self.pieces) > PIECES_MAX:
                self._step *= 2
                self.pieces = dict.fromkeys(list(self.pieces)[::2])

    def drop_known(self, store: Store, stands: Callable[[Connection, str], bool] | None = None) -> None:
        """Leave out the pieces that also stand in a payload that was not erased, or in what else stays as `stands` has it: finding
        them would say nothing.
        """
        with store.read() as connection:
            for piece in list(self.pieces):
                text = piece.decode("utf-8", "ignore")
                asked = select(event_payloads.c.id).where(func.instr(event_payloads.c.payload, text) > 0).limit(1)
                known = text.encode() != piece or connection.execute(asked).first() is not None
                if known or (stands is not None and stands(connection, text)):
                    del self.pieces[piece]
                    self.elsewhere += 1


def _pieces_of(payload: bytes) -> Iterator[bytes]:
    """Pieces from inside a payload, which differ between payloads more than their beginnings and ends do."""
    room = len(payload) - PIECE_BYTES
    if room < 0:
        return
    for place in range(1, PIECES_A_PAYLOAD + 1):
        start = room * place // (PIECES_A_PAYLOAD + 1)
        while start and payload[start] & 0xC0 == 0x80:  # not in the middle of a character
            start -= 1
        end = start + PIECE_BYTES
        while end < len(payload) and payload[end] & 0xC0 == 0x80:
            end += 1
        yield payload[start:end]


def files_with(samples: Samples, files: Sequence[Path]) -> list[Path]:
    """Those of these files that hold a piece."""
    pieces = list(samples.pieces)
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    patterns = [
        re2.compile(b"|".join(re2.escape(piece) for piece in pieces[start : start + PATTERN_PIECES_MAX]), options)
        for start in range(0, len(pieces), PATTERN_PIECES_MAX)
    ]
    overlap = max((len(piece) for piece in pieces), default=0)
    return [file for file in files if _holds(file, patterns, overlap)]


def _holds(file: Path, patterns: Sequence[re2._Regexp[bytes]], overlap: int) -> bool:
    try:
        with beside.opened(file) as descriptor:
            rest, place = b"", 0
            while chunk := os.pread(descriptor, CHUNK_BYTES, place):
                window, place = rest + chunk, place + len(chunk)
                if any(pattern.search(window) for pattern in patterns):
                    return True
                rest = window[-overlap:]
    except (FileNotFoundError, IsADirectoryError):
        pass
    return False

# ruff: noqa: S608 - of what others chose, the names of files alone are in it, and these are quoted
"""What archive files said, kept for whoever asks the same again: files never change, so only those are read that are new."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from flightlog.analytics.engine import Engine
from flightlog.analytics.sql import Asked
from flightlog.archive.manifest import ArchivedFile

BYTES_KEPT_MAX = 16 * 1024 * 1024  # of all answers together, as JSON, which is a tenth of what lists of rows take

Hold = Callable[[Sequence[ArchivedFile]], AbstractContextManager[Sequence[Path]]]
Row = Sequence[Any]


class _Held(NamedTuple):
    """What these files together said, as JSON."""

    digests: frozenset[bytes]
    data: bytes


class Kept:
    """Asks the engine about files, and remembers. `hold` has files of the archive on this machine for as long as they are
    read."""

    def __init__(self, engine: Engine, hold: Hold, *, bytes_max: int = BYTES_KEPT_MAX) -> None:
        self._engine = engine
        self._hold = hold
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[Any, ...], _Held] = OrderedDict()

    def rows(self, asked: Asked, files: Sequence[ArchivedFile], keys: int) -> Sequence[Row]:
        """The rows of SQL in which the files together are called `archived`: so many keys, then numbers that can be added. Only
        files that were not asked yet are. Raises as the engine does.
        """
        question = (asked.sql, *asked.parameters)
        digests = frozenset(file.digest for file in files)
        with self._lock:
            held = self._held.get(question)
            if held is not None:
                self._held.move_to_end(question)
        if held is None or not held.digests <= digests:
            held = _Held(frozenset(), b"[]")
        known: list[Row] = json.loads(held.data)
        fresh = [file for file in files if file.digest not in held.digests]
        if not fresh:
            return known
        found = added([*known, *self._ask(asked, fresh)], keys) if known else self._ask(asked, fresh)
        self._keep(question, _Held(digests, json.dumps(found, separators=(",", ":")).encode()))
        return found

    def _ask(self, asked: Asked, files: Sequence[ArchivedFile]) -> list[Row]:
        with self._hold(files) as paths:
            table = f"read_parquet([{', '.join(map(_quoted, paths))}], hive_partitioning = false)"
            sql = f"WITH archived AS NOT MATERIALIZED (SELECT * FROM {table}) {asked.sql}"
            return [*self._engine.ask(Asked(sql, asked.parameters))]

    def close(self) -> None:
        """Let go of the engine and of what was kept."""
        self._engine.close()
        self.forget()

    def forget(self) -> None:
        """Let go of what was kept."""
        with self._lock:
            self._held.clear()

    def _keep(self, question: tuple[Any, ...], held: _Held) -> None:
        with self._lock:
            self._held[question] = held
            self._held.move_to_end(question)
            while sum(len(each.data) for each in self._held.values()) > self._bytes_max:
                self._held.popitem(last=False)


def added(rows: Iterable[Row], keys: int) -> list[Row]:
    """The rows with the same keys as one.

    >>> added([["a", 1, 5], ["b", 1, 2], ["a", 1, None]], 2)
    [('a', 1, 5), ('b', 1, 2)]
    """
    found: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        key, numbers = tuple(row[:keys]), [int(number or 0) for number in row[keys:]]
        held = found.get(key)
        found[key] = numbers if held is None else [a + b for a, b in zip(held, numbers, strict=True)]
    return [(*key, *numbers) for key, numbers in found.items()]


def _quoted(path: Path) -> str:
    """The path as DuckDB reads it: a star in the name of a folder is a star."""
    plain = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))
    return "'" + plain.replace("'", "''") + "'"

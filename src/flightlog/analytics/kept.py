# ruff: noqa: S608 - of what others chose, the names of files alone are in it, and these are quoted
"""What archive files said, kept for whoever asks the same again: files never change, so it stays true."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from flightlog.analytics.engine import Engine
from flightlog.analytics.sql import Asked
from flightlog.archive.manifest import ArchivedFile

ROWS_KEPT_MAX = 60_000  # in all answers together, some 15 MB

Hold = Callable[[Sequence[ArchivedFile]], AbstractContextManager[Sequence[Path]]]
Row = Sequence[Any]


class Kept:
    """Asks the engine about files, and remembers. `hold` has files of the archive on this machine for as long as they are
    read."""

    def __init__(self, engine: Engine, hold: Hold, *, rows_max: int = ROWS_KEPT_MAX) -> None:
        self._engine = engine
        self._hold = hold
        self._rows_max = rows_max
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[Any, ...], list[Any]] = OrderedDict()
        self._rows = 0

    def rows(self, asked: Asked, files: Sequence[ArchivedFile]) -> Sequence[Row]:
        """The rows of SQL in which the files together are called `archived`. Raises as the engine does."""
        key = (asked.sql, *asked.parameters, *(file.digest for file in files))
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        with self._hold(files) as paths:
            table = f"read_parquet([{', '.join(map(_quoted, paths))}], hive_partitioning = false)"
            sql = f"WITH archived AS NOT MATERIALIZED (SELECT * FROM {table}) {asked.sql}"
            found = self._engine.ask(Asked(sql, asked.parameters))
        self._keep(key, found)
        return found

    def close(self) -> None:
        """Let go of the engine and of what was kept."""
        self._engine.close()
        self.forget()

    def forget(self) -> None:
        """Let go of what was kept."""
        with self._lock:
            self._held.clear()
            self._rows = 0

    def _keep(self, key: tuple[Any, ...], found: list[Any]) -> None:
        if len(found) > self._rows_max // 2:
            return
        with self._lock:
            self._rows += len(found) + 1 - (len(self._held[key]) + 1 if key in self._held else 0)
            self._held[key] = found
            while self._rows > self._rows_max:
                _, oldest = self._held.popitem(last=False)
                self._rows -= len(oldest) + 1


def _quoted(path: Path) -> str:
    """The path as DuckDB reads it: a star in the name of a folder is a star."""
    plain = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))
    return "'" + plain.replace("'", "''") + "'"

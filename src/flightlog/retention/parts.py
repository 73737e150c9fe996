"""What retention asks of rooms that it does not know: what they keep of events, and the files of the archive."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection

from flightlog.store.contract import Tx

Row = Sequence[Any]

# When it began, its id, the time and the journal id of its last event.
OldRun = tuple[int, str, int, int]


class Part(Protocol):
    """A room that holds something of events: previews, comments, salts."""

    def __call__(self, tx: Tx, ids: Sequence[int]) -> None:
        """Forget what came from the payloads of these events, which are about to go."""


class Summaries(Protocol):
    """What is kept of runs beside their events."""

    def old(self, connection: Connection, before_ns: int, after: tuple[int, str], limit: int) -> list[OldRun]:
        """Runs that began before then: when, their id, the time and the journal id of their last event; in this order, after
        the two given, at most so many."""

    def forget(self, tx: Tx, run_ids: Collection[str]) -> int:
        """Delete the summaries of these runs, their generations and feedback; the number of rows."""

    def forget_runless(self, tx: Tx, before_ns: int, limit: int) -> int:
        """Delete at most so many generations and pieces of feedback from before then that belong to no run."""


class File(Protocol):
    """One file of the archive. `bytes` is the file's size, `digest` its SHA-256; times are nanoseconds since 1970."""

    @property
    def file_id(self) -> int: ...
    @property
    def path(self) -> str: ...
    @property
    def events(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def digest(self) -> builtins.bytes: ...
    @property
    def received_at_min(self) -> int: ...


class Files(Protocol):
    """The archive, file by file. What was compacted or rewritten meanwhile is not there any more: its events are in another file,
    and are found by the next pass.
    """

    def listed(self, connection: Connection) -> Sequence[File]:
        """Every file, in the order of their first ids."""

    def rows(self, file_id: int, names: Sequence[str]) -> Iterator[Sequence[Row]]:
        """The file's events with these columns, some thousands at a time; none where it is not there any more."""

    def drop(self, file_id: int, also: Callable[[Tx], None]) -> bool:
        """Take the whole file out, in one transaction with `also`. False when it was not there any more."""

    def rewrite(self, file_id: int, without: Collection[int], also: Callable[[Tx], None]) -> bool:
        """Put a file without these events in its place, in one transaction with `also`. False when it was not there any more."""

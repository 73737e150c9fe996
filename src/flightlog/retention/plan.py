"""What would go, and what went: counts by project, type and rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from flightlog.retention.holds import COLUMNS
from flightlog.retention.parts import File

_AT = {name: at for at, name in enumerate(COLUMNS)}
_PROJECT, _TYPE, _CREATED, _BYTES = (_AT[name] for name in ("project", "type", "created_at", "payload_bytes"))


class Amount(msgspec.Struct):
    """So many events, and the bytes of their payloads as text."""

    events: int = 0
    bytes: int = 0

    def add(self, bytes_: int) -> None:
        self.events += 1
        self.bytes += bytes_


class Tally(msgspec.Struct, kw_only=True):
    """Events that are due, in sum and by project, type and rule. Times are created_at in nanoseconds since 1970."""

    events: int = 0
    bytes: int = 0
    oldest_at: int | None = None
    newest_at: int | None = None
    projects: dict[str, Amount] = {}
    types: dict[str, Amount] = {}
    rules: dict[str, Amount] = {}

    def add(self, row: Sequence[Any], rule: str) -> None:
        """Count an event (read as COLUMNS)."""
        size, at = row[_BYTES], row[_CREATED]
        self.events += 1
        self.bytes += size
        self.oldest_at = at if self.oldest_at is None else min(self.oldest_at, at)
        self.newest_at = at if self.newest_at is None else max(self.newest_at, at)
        for amounts, key in ((self.projects, row[_PROJECT]), (self.types, row[_TYPE]), (self.rules, rule)):
            amounts.setdefault(key, Amount()).add(size)


class FilePlan(msgspec.Struct, frozen=True):
    """A file of the archive of which `due` of its `events` are due; all of them: it goes as a whole."""

    path: str
    events: int
    due: int
    bytes: int

    @property
    def whole(self) -> bool:
        """Whether nothing of it stays."""
        return self.due == self.events


class Plan(msgspec.Struct, kw_only=True):
    """What a pass would do at this moment. `in_tables` of the events are not archived yet; `held` are due but for a hold, and
    `runs` are summaries that would go.
    """

    at: int
    tally: Tally
    in_tables: int = 0
    files: list[FilePlan] = []
    held: int = 0
    unsealed: int = 0
    runs: int = 0
    capped: list[str] = []

    def add_file(self, file: File, due: int) -> None:
        """Note a file with something due in it."""
        self.files.append(FilePlan(file.path, file.events, due, file.bytes))


class Done(msgspec.Struct, kw_only=True):
    """What a pass did. `removal_ids` are the journal ids of the audit events that tell of it: the receipts."""

    events: int = 0
    bytes: int = 0
    in_tables: int = 0
    files_dropped: int = 0
    files_rewritten: int = 0
    runs: int = 0
    capped: list[str] = []
    removal_ids: list[int] = []
    finished: bool = True

    def add(self, removal_id: int, events: int, bytes_: int) -> None:
        """Count a removal."""
        self.removal_ids.append(removal_id)
        self.events += events
        self.bytes += bytes_

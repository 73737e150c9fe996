"""Where dead letters are read: a running server, lists and single letters from a folder too; and where they are replayed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from flightlog.cli.options import chosen_folder
from flightlog.cli.query import Doc
from flightlog.cli.remote import ServerSource
from flightlog.config import Settings
from flightlog.errors import LetterNotFound, NotFound, ReplayNotFound

SERVER = "http://127.0.0.1:4747"
ROOT = "/v1/deadletters"
ENDS = ("DONE", "STOPPED", "REFUSED")

# Which letters, by the names that the API has for it.
Wanted = dict[str, Any]


class Reading(Protocol):
    """Something that tells of dead letters."""

    def list(self, wanted: Wanted, limit: int | None, cursor: str | None) -> Doc:
        """`{letters, nextCursor}`, the latest first."""

    def groups(self, wanted: Wanted) -> Doc:
        """`{groups, letters}`, the largest first."""

    def show(self, letter_id: str) -> Doc:
        """`{letter, chain, turns}`."""


def open_reading(folder: Path | None, server: str | None) -> Reading:
    """The server when one is named, else the folder."""
    place = chosen_folder(folder, server)
    return _FolderLetters(place) if server is None else ServerLetters(server)


class ServerLetters:
    """Dead letters over HTTP."""

    def __init__(self, url: str | None) -> None:
        self._source = ServerSource(url or SERVER)

    def list(self, wanted: Wanted, limit: int | None, cursor: str | None) -> Doc:
        parameters = [*_parameters(wanted), ("limit", limit), ("cursor", cursor)]
        return self._source.get(ROOT, parameters, needs=("letters", "nextCursor"))

    def groups(self, wanted: Wanted) -> Doc:
        return self._source.get(f"{ROOT}/groups", _parameters(wanted), needs=("groups", "letters"))

    def show(self, letter_id: str) -> Doc:
        if letter_id in (".", "..", ""):  # a path has other uses for these
            raise LetterNotFound(letter_id=letter_id)
        return self._source.get(f"{ROOT}/{quote(letter_id, safe='')}", needs=("letter", "chain", "turns"))

    # ── replays ──────────────────────────────────────────────────────────────────────────────────────────────────

    def plan(self, given: Doc) -> Doc:
        """A new plan."""
        return self._source.send(f"{ROOT}/plans", given, needs=("plan_id", "hash", "state"))

    def plans(self, limit: int | None, cursor: str | None) -> Doc:
        """`{plans, nextCursor}`, the latest first."""
        return self._source.get(f"{ROOT}/plans", [("limit", limit), ("cursor", cursor)], needs=("plans", "nextCursor"))

    def read(self, plan_id: str) -> Doc:
        """A plan and how far it is."""
        return self._source.get(_place(plan_id), needs=("plan_id", "state", "outcomes"))

    def items(self, plan_id: str, after_no: int, limit: int | None) -> Doc:
        """`{items, nextAfterNo}` of a plan."""
        parameters = [("afterNo", after_no), ("limit", limit)]
        return self._source.get(f"{_place(plan_id)}/items", parameters, needs=("items", "nextAfterNo"))

    def apply(self, plan_id: str, given: Doc) -> Doc:
        """The plan once it has begun."""
        return self._source.send(f"{_place(plan_id)}/apply", given, needs=("plan_id", "state"))

    def stop(self, plan_id: str, given: Doc) -> Doc:
        """The plan once it is stopped."""
        return self._source.send(f"{_place(plan_id)}/stop", given, needs=("plan_id", "state"))


class _FolderLetters:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list(self, wanted: Wanted, limit: int | None, cursor: str | None) -> Doc:
        from flightlog.api.shapes_deadletters import letter_page_shape
        from flightlog.cli.local import document
        from flightlog.deadletters.listing import list_letters

        with self._keeper() as keeper:
            page = list_letters(
                keeper.store, self._filter(wanted), limit=limit, cursor=cursor, settings=keeper.settings
            )
        return document(letter_page_shape(page))

    def groups(self, wanted: Wanted) -> Doc:
        from flightlog.api.shapes_deadletters import letter_groups_shape
        from flightlog.cli.local import document
        from flightlog.deadletters.listing import group_letters

        with self._keeper() as keeper:
            return document(letter_groups_shape(group_letters(keeper.store, self._filter(wanted))))

    def show(self, letter_id: str) -> Doc:
        from flightlog.api.shapes_deadletters import letter_detail_shape
        from flightlog.cli.local import document
        from flightlog.deadletters.listing import get_letter

        with self._keeper() as keeper:
            return document(letter_detail_shape(get_letter(keeper.store, letter_id)))

    def _filter(self, wanted: Wanted) -> Any:
        from flightlog.api.shapes_deadletters import LettersGiven, letter_filter
        from flightlog.clock import SystemClock

        return letter_filter(LettersGiven(**wanted), SystemClock().now_ns())

    @contextmanager
    def _keeper(self) -> Iterator[Any]:
        from flightlog.wiring import Keeper

        if not (self._folder / "flightlog.db").exists():
            raise NotFound(what="Flightlog store in", id=str(self._folder))
        keeper = Keeper(self._folder, Settings.load(self._folder), writable=False)
        try:
            yield keeper
        finally:
            keeper.close()


def _parameters(wanted: Wanted) -> list[tuple[str, Any]]:
    return [(name, ",".join(value) if isinstance(value, list) else value) for name, value in wanted.items()]


def _place(plan_id: str) -> str:
    if plan_id in (".", "..", ""):
        raise ReplayNotFound(plan_id=plan_id)
    return f"{ROOT}/plans/{quote(plan_id, safe='')}"

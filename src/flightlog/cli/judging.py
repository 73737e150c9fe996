"""Where feedback goes and is read from: a folder, by way of its spool, or a running server."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import msgspec

from flightlog import wiring
from flightlog.cli.options import chosen_folder
from flightlog.cli.query import Doc
from flightlog.cli.remote import ServerSource
from flightlog.config import Settings
from flightlog.errors import FeedbackNotFound, NotFound

SPOOLED = "spooled"  # recorded, and not in the store yet


class FeedbackQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which feedback. `q` is a query in words."""

    target: str | None = None
    run_id: str | None = None
    project: str | None = None
    since: int | None = None
    until: int | None = None
    q: str | None = None


class Judging(Protocol):
    """Something that takes feedback and tells it."""

    def add(self, given: Doc) -> Doc:
        """Give feedback; what holds then, with its `status`: linked, pending, or spooled where nobody has delivered it yet."""

    def list(self, query: FeedbackQuery, limit: int | None, cursor: str | None) -> Doc:
        """`{feedback, nextCursor}`, the latest first."""


def open_judging(folder: Path | None, server: str | None) -> Judging:
    """The server when one is named, else the folder."""
    place = chosen_folder(folder, server)
    return _FolderJudging(place) if server is None else _ServerJudging(ServerSource(server))


class _ServerJudging:
    def __init__(self, source: ServerSource) -> None:
        self._source = source

    def add(self, given: Doc) -> Doc:
        return self._source.send("/api/feedback", {"source": "cli", **given}, needs=("feedback_id", "status"))

    def list(self, query: FeedbackQuery, limit: int | None, cursor: str | None) -> Doc:
        asked = msgspec.structs.asdict(query)
        asked["run"] = asked.pop("run_id")
        parameters = [*asked.items(), ("limit", limit), ("cursor", cursor)]
        return self._source.get("/api/feedback", parameters, needs=("feedback", "nextCursor"))


class _FolderJudging:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, given: Doc) -> Doc:
        """By the spool, so that it works beside whoever is the folder's writer."""
        if not self._folder.is_dir():
            raise NotFound(what="data folder", id=str(self._folder))
        said = {key: value for key, value in given.items() if key not in ("target_id", "actor")}
        recorder = wiring.open(self._folder, actor=given.get("actor"), source="cli")
        try:
            event_id = recorder.feedback(given["target_id"], **said)
            delivered = recorder.flush()
        finally:
            recorder.close()
        return (self._told(event_id) if delivered else None) or {"status": SPOOLED, "event_id": event_id, **given}

    def _told(self, event_id: str) -> Doc | None:
        if not wiring.has_server_extra():
            return None
        from flightlog.api.shapes_feedback import feedback_shape
        from flightlog.runs.feedback import get_feedback

        keeper = self._keeper()
        try:
            return _document(feedback_shape(get_feedback(keeper.store, event_id)))
        except FeedbackNotFound:
            return None
        finally:
            keeper.close()

    def list(self, query: FeedbackQuery, limit: int | None, cursor: str | None) -> Doc:
        keeper = self._keeper()
        from flightlog.api.shapes_feedback import feedback_page_shape
        from flightlog.clock import SystemClock
        from flightlog.filters.compile import feedback_filter, narrowed_feedback
        from flightlog.runs.feedback import list_feedback
        from flightlog.runs.feedback_filter import FeedbackFilter

        try:
            fields = msgspec.structs.asdict(query)
            asked = fields.pop("q")
            wanted = narrowed_feedback(feedback_filter(asked or "", SystemClock().now_ns()), FeedbackFilter(**fields))
            page = list_feedback(keeper.store, wanted, limit=limit, cursor=cursor, settings=keeper.settings)
            return _document(feedback_page_shape(page))
        finally:
            keeper.close()

    def _keeper(self) -> wiring.Keeper:
        return wiring.Keeper(self._folder, Settings.load(self._folder), writable=False)


def _document(shape: Any) -> Doc:
    found: Doc = msgspec.json.decode(msgspec.json.encode(shape))
    return found

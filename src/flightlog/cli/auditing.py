"""Where audit records go and are read from: a folder, by way of its spool, or a running server."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from flightlog import wiring
from flightlog.cli.options import chosen_folder
from flightlog.cli.query import Doc
from flightlog.cli.remote import ServerSource
from flightlog.config import Settings
from flightlog.errors import AuditNotFound, NotFound


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which records. `q` is a query in words; `orphaned` asks for those that wait for their run or task."""

    actor: str | None = None
    operation: str | None = None
    subject: str | None = None
    capability: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    project: str | None = None
    orphaned: bool = False
    since: int | None = None
    until: int | None = None
    q: str | None = None


class Auditing(Protocol):
    """Something that takes audit records and tells them."""

    def add(self, given: Doc) -> Doc:
        """Record it; `{state, event_id, id, reason}`."""

    def list(self, query: AuditQuery, limit: int | None, cursor: str | None) -> Doc:
        """`{audits, nextCursor}`, the latest first."""

    def show(self, event_id: str) -> Doc:
        """One record with its event and its counterparts."""

    def decisions(self, query: AuditQuery) -> Doc:
        """`{capabilities, total}`."""


def open_auditing(folder: Path | None, server: str | None) -> Auditing:
    """The server when one is named, else the folder."""
    place = chosen_folder(folder, server)
    return _FolderAuditing(place) if server is None else _ServerAuditing(ServerSource(server))


class _ServerAuditing:
    def __init__(self, source: ServerSource) -> None:
        self._source = source

    def add(self, given: Doc) -> Doc:
        return self._source.send("/api/audits", {"source": "cli", **given}, needs=("state", "event_id"))

    def list(self, query: AuditQuery, limit: int | None, cursor: str | None) -> Doc:
        parameters = [*_parameters(query), ("limit", limit), ("cursor", cursor)]
        return self._source.get("/api/audits", parameters, needs=("audits", "nextCursor"))

    def show(self, event_id: str) -> Doc:
        if event_id in (".", "..", "decisions"):  # a path has other uses for these
            raise AuditNotFound(event_id=event_id)
        return self._source.get(f"/api/audits/{quote(event_id, safe='')}", needs=("event_id", "event"))

    def decisions(self, query: AuditQuery) -> Doc:
        return self._source.get("/api/audits/decisions", _parameters(query), needs=("capabilities", "total"))


class _FolderAuditing:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, given: Doc) -> Doc:
        """By the spool, so that it works beside whoever is the folder's writer."""
        if not self._folder.is_dir():
            raise NotFound(what="data folder", id=str(self._folder))
        with wiring.open(self._folder, source="cli", project=given.pop("project", None)) as recorder:
            made = recorder.audit(**given, wait=True)
        return _document(made)

    def list(self, query: AuditQuery, limit: int | None, cursor: str | None) -> Doc:
        keeper = self._keeper()
        from flightlog.api.shapes_audits import audit_page_shape
        from flightlog.audit.listing import list_audits

        try:
            page = list_audits(keeper.store, _filter(query), limit=limit, cursor=cursor, settings=keeper.settings)
            return _document(audit_page_shape(page))
        finally:
            keeper.close()

    def show(self, event_id: str) -> Doc:
        keeper = self._keeper()
        from flightlog.api.shapes_audits import audit_detail_shape
        from flightlog.audit.listing import get_audit_detail

        try:
            return _document(audit_detail_shape(get_audit_detail(keeper.store, event_id)))
        finally:
            keeper.close()

    def decisions(self, query: AuditQuery) -> Doc:
        keeper = self._keeper()
        from flightlog.api.shapes_audits import decisions_shape
        from flightlog.audit.listing import count_decisions

        try:
            return _document(decisions_shape(count_decisions(keeper.store, _filter(query))))
        finally:
            keeper.close()

    def _keeper(self) -> wiring.Keeper:
        return wiring.Keeper(self._folder, Settings.load(self._folder), writable=False)


def _filter(query: AuditQuery) -> Any:
    from flightlog.audit.filter import IS_ORPHANED, AuditFilter
    from flightlog.clock import SystemClock
    from flightlog.filters.compile import audit_filter, narrowed_audits

    fields = msgspec.structs.asdict(query)
    asked, orphaned = fields.pop("q"), fields.pop("orphaned")
    plain = AuditFilter(**fields, orphans=IS_ORPHANED if orphaned else ())
    return narrowed_audits(audit_filter(asked or "", SystemClock().now_ns()), plain)


def _parameters(query: AuditQuery) -> list[tuple[str, Any]]:
    asked = msgspec.structs.asdict(query)
    asked["run"], asked["task"] = asked.pop("run_id"), asked.pop("task_id")
    asked["orphaned"] = "true" if asked["orphaned"] else None
    return list(asked.items())


def _document(shape: Any) -> Doc:
    found: Doc = msgspec.json.decode(msgspec.json.encode(shape))
    return found

"""`flightlog mcp`: what was recorded, for agents, over the Model Context Protocol."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from flightlog.cli import lines, options
from flightlog.cli.query import Doc, EventQuery, RunQuery, Source
from flightlog.cli.source import open_source
from flightlog.cli.stats import from_folder, from_server
from flightlog.cli.words import moment
from flightlog.clock import SystemClock
from flightlog.config import Settings
from flightlog.errors import EventNotFound, FlightlogError, McpExtraMissing, StoreBroken, Unavailable

if TYPE_CHECKING:
    from flightlog.mcp.records import Told

T = TypeVar("T")
INT64_MAX = 2**63 - 1


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("mcp")(mcp)


def mcp(folder: options.Folder = None, server: options.Server = None, as_json: options.AsJson = False) -> None:
    """Let an agent read what was recorded, over MCP.

    It speaks the Model Context Protocol on standard input and output.

    The agent can search, read and compare; it can change nothing. It goes on until its input ends. A folder may have a
    server at the same time, and need not be there yet.
    """
    if importlib.util.find_spec("mcp") is None:
        raise McpExtraMissing(what="Serving agents")
    from flightlog.mcp.server import make_server

    place = options.chosen_folder(folder, server)
    settings = Settings.load(place if server is None else None)
    records = SourceRecords(None if server else place, server)
    try:
        make_server(records, settings.mcp_answer_chars_max).run("stdio")
    finally:
        records.close()


class SourceRecords:
    """The records of a folder or a server. It is opened at the first question, and again after it had gone away."""

    def __init__(self, folder: Path | None, server: str | None) -> None:
        self._folder = folder
        self._server = server
        self._source: Source | None = None
        self._opening = threading.Lock()

    def runs(self, query: str | None, sort: str | None, limit: int, cursor: str | None) -> Doc:
        return self._ask(lambda source: source.runs(RunQuery(q=query, sort=sort), limit, cursor))

    def run(self, run_id: str) -> Doc:
        return self._ask(lambda source: source.run(run_id))

    def events(
        self,
        run_id: str | None,
        query: str | None = None,
        *,
        after_id: int | None = None,
        before_id: int | None = None,
        limit: int = 100,
        latest: bool = False,
    ) -> Doc:
        wanted = EventQuery(run_id=run_id, q=query)
        return self._ask(
            lambda source: source.events(wanted, after_id=after_id, before_id=before_id, limit=limit, latest=latest)
        )

    def event(self, event_id: str) -> Doc:
        number = event_id.removeprefix("#")
        if not number.isdecimal() or not 0 < int(number[:19]) <= INT64_MAX:
            return self._ask(lambda source: source.event(event_id))
        wanted = int(number)
        page = self._ask(lambda source: source.events(EventQuery(), after_id=wanted - 1, limit=1))
        if not page["events"] or page["events"][0]["id"] != wanted:
            raise EventNotFound(event_id=event_id)
        found: Doc = page["events"][0]
        return found

    def compare(self, left: str, right: str) -> Doc:
        return self._ask(lambda source: source.compare(left, right))

    def report(self, run_id: str) -> Doc:
        import msgspec

        made: Doc = msgspec.json.decode(self._ask(lambda source: source.report(run_id, "json", None)))
        return made

    def stats(self, asked: Doc) -> Doc:
        now = SystemClock().now_ns()
        times = {name: moment(name, asked[name], now) for name in ("since", "until")}
        whole = {"measure": [], "project": None, "sort": None, **asked, **times}
        if self._server is not None:
            return from_server(self._server, whole)
        return from_folder(options.chosen_folder(self._folder), whole)

    def tell(self, event: Doc) -> Told:
        from flightlog.mcp.records import Told

        return Told(lines.summary(event), [text for text, _ in lines.body(event)])

    def close(self) -> None:
        """Let go of the source. Safe to call twice."""
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _ask(self, question: Callable[[Source], T]) -> T:
        with self._opening:
            if self._source is None:
                self._source = open_source(self._folder, self._server)
            source = self._source
        try:
            return question(source)
        except (Unavailable, StoreBroken) as error:
            # Whatever it was, the next question finds what is at the place by then.
            with self._opening:
                if self._source is source:
                    self._source = None
            _close(source)
            raise error


def _close(source: Any) -> None:
    try:
        source.close()
    except FlightlogError:
        pass  # it is gone already

"""What the tools need of whatever holds the records; `flightlog.cli.mcp` gives them a folder or a server."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

Doc = dict[str, Any]


class Told(NamedTuple):
    """An event in one line, and the lines beneath it."""

    line: str
    body: list[str]


class Records(Protocol):
    """Runs and events, as documents of the HTTP API. All methods raise FlightlogError, and may be called from any thread."""

    def runs(self, query: str | None, sort: str | None, limit: int, cursor: str | None) -> Doc:
        """`{runs, nextCursor}`; `query` is in the filter language."""

    def run(self, run_id: str) -> Doc:
        """One run's summary. Raises RunNotFound."""

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
        """`{events, nextAfterId, more}`, oldest first; with `latest`, the last of them."""

    def event(self, event_id: str) -> Doc:
        """One event with its payload. Raises EventNotFound."""

    def compare(self, left: str, right: str) -> Doc:
        """Two runs side by side. Raises RunNotFound."""

    def report(self, run_id: str) -> Doc:
        """The report of a run as data. Raises RunNotFound."""

    def stats(self, asked: Doc) -> Doc:
        """Numbers in groups: `{of, by, bucket, since, until, times, total, groups, others}`, as `GET /api/stats` answers the
        parameters that `asked` has."""

    def tell(self, event: Doc) -> Told:
        """An event in the words that the command line has for it."""

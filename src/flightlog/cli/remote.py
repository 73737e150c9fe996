"""Reading from and writing to a running server, with the standard library alone."""

from __future__ import annotations

import gzip
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from flightlog.cli.problems import from_problem
from flightlog.cli.query import Doc, EventQuery, GenerationQuery, Recompute, RunQuery
from flightlog.cli.words import quoted as quote
from flightlog.config import MIB, Settings
from flightlog.errors import (
    EventIdConflict,
    EventInvalid,
    EventNotFound,
    FlightlogError,
    GenerationNotFound,
    RunNotFound,
    ServerUnavailable,
    SettingInvalid,
)
from flightlog.events import wire
from flightlog.events.envelope import Event
from flightlog.version import __version__

POST_BYTES_MAX = 8 * MIB
EXPORT_BYTES = MIB
RECONNECT_SECONDS = 1.0
# Longer than the server's sign of life, so that a stream that says nothing for so long is broken.
SILENCE_SECONDS_MAX = 60.0

_NAMES = {
    "run_id": "run",
    "levels": "level",
    "sources": "source",
    "actors": "actor",
    "statuses": "status",
    "trace_id": "trace",
    "span_id": "span",
    "task_id": "task",
    "correlation_id": "correlation",
}
_REPEATED = {"sources", "actors"}  # their values may hold commas


class Posted(NamedTuple):
    """What the server did with a batch; the fields are named as the journal's own answer."""

    stored: int
    duplicates: int
    rejected: list[tuple[int, FlightlogError]]


class ServerSource:
    """A server's HTTP API."""

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingInvalid(name="server", value=url, reason="it is a URL such as http://127.0.0.1:4747")
        self.url = url.rstrip("/")
        self._timeout = (settings or Settings.load()).http_timeout_seconds

    def runs(self, query: RunQuery, limit: int | None = None, cursor: str | None = None) -> Doc:
        # A part of a name is a text between quotes in the language.
        named = quote(query.name) if query.name else ""
        asked = msgspec.structs.replace(query, q=f"{query.q or ''} {named}".strip() or None, name=None)
        parameters = [*_parameters(asked, _NAMES), ("limit", limit), ("cursor", cursor)]
        return self.get("/api/runs", parameters, needs=("runs", "nextCursor"))

    def run(self, run_id: str) -> Doc:
        if run_id in (".", ".."):  # a path has other uses for these
            raise RunNotFound(run_id=run_id)
        return self.get(f"/api/runs/{urllib.parse.quote(run_id, safe='')}", needs=("run_id", "status", "counts"))

    def compare(self, left: str, right: str) -> Doc:
        needs = ("left", "right", "totals", "rows", "complete")
        return self.get("/api/runs/compare", [("left", left), ("right", right)], needs=needs)

    def report(self, run_id: str, form: str, link_base: str | None) -> bytes:
        if run_id in (".", ".."):
            raise RunNotFound(run_id=run_id)
        parameters = [("format", form), ("linkBase", link_base or self.url)]
        response = self._open(self._request(f"/api/runs/{urllib.parse.quote(run_id, safe='')}/report", parameters))
        try:
            with response:
                made: bytes = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._unavailable(error) from None
        return made

    def generations(
        self, query: GenerationQuery, limit: int | None = None, cursor: str | None = None, count: bool = False
    ) -> Doc:
        page = [("limit", limit), ("cursor", cursor), ("count", "true" if count else None)]
        needs = ("generations", "nextCursor")
        return self.get("/api/generations", [*_parameters(query, _NAMES), *page], needs=needs)

    def generation(self, generation_id: str) -> Doc:
        if generation_id in (".", ".."):
            raise GenerationNotFound(generation_id=generation_id)
        path = f"/api/generations/{urllib.parse.quote(generation_id, safe='')}"
        return self.get(path, needs=("generation_id", "status", "request", "message"))

    def prices(self, model: str | None, provider: str | None) -> Doc:
        return self.get("/api/prices", [("model", model), ("provider", provider)], needs=("prices",))

    def recompute(self, wanted: Recompute) -> Doc:
        """Have the server work costs out again; done when this returns."""
        request = self._request("/api/prices/recompute")
        request.method = "POST"
        request.data = msgspec.json.encode(wanted)
        request.add_header("Content-Type", "application/json")
        return self._read(self._open(request), ("looked_at", "changed", "models"))

    def events(
        self,
        query: EventQuery,
        *,
        after_id: int | None = None,
        before_id: int | None = None,
        limit: int | None = None,
        latest: bool = False,
    ) -> Doc:
        page = [
            ("afterId", after_id),
            ("beforeId", before_id),
            ("limit", limit),
            ("latest", "true" if latest else None),
        ]
        needs = ("events", "nextAfterId", "nextBeforeId", "more")
        return self.get("/api/events", [*_parameters(query, _NAMES), *page], needs=needs)

    def export(self, query: EventQuery, form: str) -> Iterator[bytes]:
        """The events in this format, as the server makes them. Raises ServerUnavailable where the stream is cut off."""
        request = self._request("/api/events/export", [*_parameters(query, _NAMES), ("format", form)])
        try:
            with self._open(request, timeout=max(self._timeout, SILENCE_SECONDS_MAX)) as response:
                while piece := response.read1(EXPORT_BYTES):
                    yield piece
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unavailable(error) from None

    def event(self, event_id: str) -> Doc:
        if event_id in (".", ".."):
            raise EventNotFound(event_id=event_id)
        path = f"/api/events/{urllib.parse.quote(event_id, safe='')}"
        return self.get(path, needs=("event_id", "type", "payload"))

    def head(self) -> int:
        return int(self.health()["store"].get("last_event_id") or 0)

    def health(self) -> Doc:
        """How the server is doing."""
        return self.get("/api/health", needs=("status", "reasons", "store", "drain", "versions"))

    def follow(self, query: EventQuery, after_id: int) -> Iterator[list[Doc]]:
        position, connected = after_id, False
        while True:
            try:
                for reached, event in self._stream(query, position):
                    position, connected = reached, True
                    yield [event] if event is not None else []
            except ServerUnavailable:
                if not connected:
                    raise
            # A server that went away comes back, and the stream goes on where it stopped.
            yield []
            time.sleep(RECONNECT_SECONDS)

    def close(self) -> None:
        """There is nothing to let go of."""

    # ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────

    def get(self, path: str, parameters: Sequence[tuple[str, Any]] = (), *, needs: Sequence[str] = ()) -> Doc:
        """The JSON document at a path, with the members that it needs to have.

        Raises what the server's problem stands for, ServerUnavailable where there is no answer of ours.
        """
        return self._read(self._open(self._request(path, parameters)), needs)

    def send(
        self, path: str, document: Doc, *, needs: Sequence[str] = (), headers: Mapping[str, str] | None = None
    ) -> Doc:
        """Post a JSON document; the answer to it, as with `get`."""
        request = self._request(path)
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        request.method = "POST"
        request.data = msgspec.json.encode(document)
        request.add_header("Content-Type", "application/json")
        return self._read(self._open(request), needs)

    def answer_of(self, path: str, document: Doc, *, seconds: float) -> Any:
        """Post a JSON document; the open answer to it, whatever it is, to be read and closed. Raises as `get` does."""
        request = self._request(path)
        request.method = "POST"
        request.data = msgspec.json.encode(document)
        request.add_header("Content-Type", "application/json")
        return self._open(request, timeout=seconds)

    def append(self, events: Sequence[Event]) -> Posted:
        """Send events; they are stored when this returns. Those that were refused come back with the reason."""
        posted = Posted(0, 0, [])
        first = 0
        # A line's end can only stand between the values of a payload, where a space means the same.
        for lines in _pieces([wire.encode(event).replace(b"\r", b" ").replace(b"\n", b" ") for event in events]):
            answer = self._post(wire.encode_lines(lines))
            rejected = [(first + item["index"], _refusal(item)) for item in answer["rejected"]]
            posted = Posted(
                posted.stored + answer["accepted"], posted.duplicates + answer["duplicates"], posted.rejected + rejected
            )
            first += len(lines)
        return posted

    def _post(self, body: bytes) -> Doc:
        request = self._request("/api/events")
        request.method = "POST"
        request.data = gzip.compress(body, compresslevel=1, mtime=0)
        request.add_header("Content-Type", wire.MEDIA_TYPE)
        request.add_header("Content-Encoding", "gzip")
        return self._read(self._open(request, refused_is_answer=True), ("accepted", "duplicates", "rejected"))

    def _request(self, path: str, parameters: Sequence[tuple[str, Any]] = ()) -> urllib.request.Request:
        query = urllib.parse.urlencode([(name, str(value)) for name, value in parameters if value is not None])
        url = self.url + path + ("?" + query if query else "")
        headers = {"User-Agent": f"flightlog/{__version__}", "Accept": "application/json"}
        return urllib.request.Request(url, headers=headers)  # noqa: S310 - http and https only, see __init__

    def _open(
        self, request: urllib.request.Request, *, timeout: float | None = None, refused_is_answer: bool = False
    ) -> Any:
        try:
            return _opener.open(request, timeout=timeout or self._timeout)
        except urllib.error.HTTPError as error:
            with error:
                body = error.read()
            if refused_is_answer and error.code == 422 and b'"rejected"' in body:
                return _Body(body)
            raise from_problem(error.code, body) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unavailable(error) from None

    def _read(self, response: Any, needs: Sequence[str]) -> Doc:
        try:
            with response:
                found: Doc = msgspec.json.decode(response.read(), type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ServerUnavailable(
                url=self.url, reason="it answered with something else than Flightlog's JSON"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._unavailable(error) from None
        if missing := [name for name in needs if name not in found]:
            raise ServerUnavailable(url=self.url, reason=f"its answer has no {missing[0]!r}: it is no Flightlog server")
        return found

    def _unavailable(self, error: Exception) -> ServerUnavailable:
        reason = getattr(error, "reason", None) or error
        text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return ServerUnavailable(url=self.url, reason=text)

    # ── server-sent events ───────────────────────────────────────────────────────────────────────────────────────

    def messages(self, path: str, until: Callable[[Doc], bool]) -> Iterator[Doc]:
        """What the stream at a path says, message by message, up to the one of which `until` is true. A server that went away
        comes back, and the stream goes on where it stopped. Raises what the first request raises.
        """
        last_id: str | None = None
        while True:
            try:
                for place, message in self._messages(path, last_id):
                    last_id = place
                    yield message
                    if until(message):
                        return
            except ServerUnavailable:
                if last_id is None:
                    raise
            time.sleep(RECONNECT_SECONDS)

    def _messages(self, path: str, last_id: str | None) -> Iterator[tuple[str, Doc]]:
        request = self._request(path)
        request.add_header("Accept", "text/event-stream")
        if last_id is not None:
            request.add_header("Last-Event-ID", last_id)
        place = last_id or ""
        try:
            with self._open(request, timeout=max(self._timeout, SILENCE_SECONDS_MAX)) as response:
                for raw in response:
                    if raw.startswith(b"id:"):
                        place = raw[3:].strip().decode()
                    elif raw.startswith(b"data:"):
                        yield place, msgspec.json.decode(raw[5:])
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unavailable(error) from None

    def _stream(self, query: EventQuery, after_id: int) -> Iterator[tuple[int, Doc | None]]:
        """(id, event) for each event, (id, None) for a sign of life; ends when the server ends it."""
        request = self._request("/api/events/stream", [*_parameters(query, _NAMES), ("afterId", after_id)])
        request.add_header("Accept", "text/event-stream")
        position = after_id
        data: list[bytes] = []
        try:
            with self._open(request, timeout=max(self._timeout, SILENCE_SECONDS_MAX)) as response:
                for raw in response:
                    line = raw.rstrip(b"\r\n")
                    if line.startswith(b"id:"):
                        position = int(line[3:])
                    elif line.startswith(b"data:"):
                        data.append(line[5:].lstrip(b" "))
                    elif not line:
                        yield position, msgspec.json.decode(b"\n".join(data)) if data else None
                        data.clear()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unavailable(error) from None


class _Body:
    """A body that was read already, to be read as a response is."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def read(self) -> bytes:
        return self._body

    def __enter__(self) -> _Body:
        return self

    def __exit__(self, *_: object) -> None: ...


# Servers are on loopback or behind a proxy of their own; the environment's proxies are for elsewhere.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _parameters(query: msgspec.Struct, names: dict[str, str]) -> list[tuple[str, Any]]:
    made: list[tuple[str, Any]] = []
    for field, value in msgspec.structs.asdict(query).items():
        name = names.get(field, field)
        if not isinstance(value, tuple):
            made.append((name, value))
        elif field in _REPEATED:
            made.extend((name, item) for item in value)
        elif value:
            made.append((name, ",".join(value)))
    return made


def _pieces(bodies: list[bytes]) -> Iterator[list[bytes]]:
    """The bodies in requests of a size that a server takes."""
    piece: list[bytes] = []
    size = 0
    for body in bodies:
        if piece and size + len(body) > POST_BYTES_MAX:
            yield piece
            piece, size = [], 0
        piece.append(body)
        size += len(body) + 1
    if piece:
        yield piece


def _refusal(item: Doc) -> FlightlogError:
    if item.get("code") == 40902:
        return EventIdConflict(event_id=item.get("event_id"))
    return EventInvalid(reason=item.get("detail") or item.get("title"))

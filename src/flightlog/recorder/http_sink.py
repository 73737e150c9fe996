"""The sink for a server: batches over HTTP, compressed, tried again until the server has committed them."""

from __future__ import annotations

import fcntl
import gzip
import http.client
import os
import ssl
import weakref
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from flightlog.config import Settings
from flightlog.errors import BadInput, EventInvalid, FlightlogError, ServerUnavailable, SettingInvalid, WriterLocked
from flightlog.events import wire
from flightlog.events.envelope import Event
from flightlog.version import __version__

POSITION_SUFFIX = ".pos"
# Below this, gzip costs more than it saves.
GZIP_BYTES_MIN = 1024


class _Refusal(msgspec.Struct):
    index: int
    title: str = ""
    detail: str = ""


class _Answer(msgspec.Struct):
    rejected: list[_Refusal] = []


def _answer(body: bytes) -> _Answer | None:
    try:
        return msgspec.json.decode(body, type=_Answer)
    except msgspec.DecodeError:
        return None


class HttpSink:
    """Delivers to `POST {url}/api/events`. One process at a time delivers one spool folder.

    Positions are kept in small files beside the segments; a batch that was committed but whose answer was lost is sent
    again, and the server recognises its event ids.
    """

    def __init__(self, url: str, spool: Path, settings: Settings) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingInvalid(
                name="target", value=url, reason="it is a folder, or a URL that starts with http:// or https://"
            )
        self.url = url.rstrip("/")
        self._host, self._port, self._tls = parts.hostname, parts.port, parts.scheme == "https"
        self._path = parts.path.rstrip("/") + "/api/events"
        self._spool = spool
        self._timeout = settings.http_timeout_seconds
        self._connection: http.client.HTTPConnection | None = None
        self._lock_fd = self._lock()
        _living.add(self)

    def _lock(self) -> int:
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._spool / "deliver.lock"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise WriterLocked(pid=pid or "?", folder=str(self._spool)) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        return fd

    def write(self, events: Sequence[Event], segment: str, offset: int) -> list[tuple[int, FlightlogError]]:
        """Deliver a batch, in as many requests as the server's limit wants. Raises ServerUnavailable to be tried again."""
        rejected = self._deliver(list(events), 0)
        if offset:
            self._save_position(segment, offset)
        return rejected

    def _deliver(self, events: list[Event], first: int) -> list[tuple[int, FlightlogError]]:
        if not events:
            return []
        status, answer = self._post(wire.encode_lines(wire.encode(event) for event in events))
        found = _answer(answer)
        if found is not None and (status == 200 or (status == 422 and found.rejected)):
            return [(first + item.index, EventInvalid(reason=item.detail or item.title)) for item in found.rejected]
        if status == 200:
            raise self._unavailable("it answered 200 with something else than Flightlog's JSON")
        if status in (400, 413, 422):
            # One event, or the batch's size, is not to the server's liking: halves find it without losing the others.
            if len(events) == 1:
                return [
                    (first, BadInput(reason=f"the server answered {status}: {answer[:200].decode('utf-8', 'replace')}"))
                ]
            half = len(events) // 2
            return self._deliver(events[:half], first) + self._deliver(events[half:], first + half)
        raise self._unavailable(f"it answered {status}")

    def _post(self, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": wire.MEDIA_TYPE, "User-Agent": f"flightlog/{__version__}"}
        if len(body) >= GZIP_BYTES_MIN:
            body = gzip.compress(body, compresslevel=1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        try:
            connection = self._connection or self._connect()
            self._connection = connection
            connection.request("POST", self._path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self._disconnect()
            raise self._unavailable(f"{type(error).__name__}: {error}") from error

    def _connect(self) -> http.client.HTTPConnection:
        if self._tls:
            trust = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=trust)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _unavailable(self, reason: str) -> ServerUnavailable:
        return ServerUnavailable(url=self.url, reason=reason)

    def position(self, segment: str) -> int:
        try:
            return int((self._spool / (segment + POSITION_SUFFIX)).read_text("ascii") or 0)
        except (FileNotFoundError, ValueError):
            return 0

    def _save_position(self, segment: str, offset: int) -> None:
        path = self._spool / (segment + POSITION_SUFFIX)
        unborn = path.with_suffix(".unborn")
        unborn.write_text(str(offset), "ascii")
        unborn.rename(path)

    def forget(self, segment: str) -> None:
        (self._spool / (segment + POSITION_SUFFIX)).unlink(missing_ok=True)

    def close(self) -> None:
        self._disconnect()
        if self._lock_fd >= 0:
            # Closing alone would not unlock while a child that was forked this moment still has its copy.
            fcntl.flock(self._lock_fd, fcntl.LOCK_UN)
            os.close(self._lock_fd)
            self._lock_fd = -1

    def _abandon_in_child(self) -> None:
        """The parent delivers: a forked child keeps neither its lock nor its connection."""
        self._connection = None
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1


_living: weakref.WeakSet[HttpSink] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for sink in list(_living):
        sink._abandon_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

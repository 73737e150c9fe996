"""Looking for a record on a server."""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import quote, urlsplit

import msgspec

from flightlog.recorder.confirm import Seen


class _Answer(msgspec.Struct):
    id: int | None = None
    orphan: str = "known"


class ServerWatch:
    """Asks `GET {url}/api/audits/{event_id}`, over one connection."""

    def __init__(self, url: str, event_id: str, timeout: float) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._tls = parts.hostname or "", parts.port, parts.scheme == "https"
        self._path = f"{parts.path.rstrip('/')}/api/audits/{quote(event_id, safe='')}"
        self._timeout = max(timeout, 0.05)
        self._connection: http.client.HTTPConnection | None = None

    def look(self) -> Seen | None:
        """The record as the server has it; None while it has none, or does not answer."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.request("GET", self._path)
            response = self._connection.getresponse()
            status, body = response.status, response.read()
            if status != 200:
                return None
            found = msgspec.json.decode(body, type=_Answer)
        except (OSError, http.client.HTTPException, msgspec.DecodeError):
            self.close()
            return None
        return Seen(found.id, found.orphan == "orphaned")

    def is_served(self) -> bool:
        """A server that does not answer now may do so in a moment."""
        return True

    def _connect(self) -> http.client.HTTPConnection:
        if self._tls:
            trust = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=trust)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

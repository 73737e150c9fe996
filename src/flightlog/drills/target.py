"""A server as a drill sees it: requests over HTTP, each with its whole answer, good or bad."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from flightlog.version import __version__

ASK_SECONDS_MAX = 15.0
SILENCE_SECONDS_MAX = 60.0  # longer than a server's sign of life
BODY_BYTES_MAX = 8 * 1024 * 1024


class Unreachable(Exception):
    """Nobody answers there, or somebody who is no Flightlog; the message says what happened."""


class Answer(NamedTuple):
    """What came back. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object in it; raises Unreachable where it is something else."""
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = None
        if not isinstance(found, dict):
            raise Unreachable(f"it answered {self.status} with something else than Flightlog's JSON")
        return found

    @property
    def code(self) -> int | None:
        """The stable code of a problem, where it is one."""
        if "problem+json" not in self.headers.get("content-type", ""):
            return None
        code = self.document.get("code")
        return code if isinstance(code, int) else None

    def __str__(self) -> str:
        """What a person needs to see what came instead."""
        if self.code is None:
            return f"{self.status}"
        return f"{self.code} ({self.document.get('detail', '')})"


class Target:
    """A server at a URL. Raises ValueError where it is none of http or https."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no URL such as http://127.0.0.1:4747")
        self.url = url.rstrip("/")

    def ask(
        self,
        method: str,
        path: str,
        document: Any = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Answer:
        """One request and its answer, whatever its status. Raises Unreachable."""
        try:
            with self._open(method, path, document, headers or {}, query or {}) as answer:
                said = {name.lower(): value for name, value in answer.headers.items()}
                return Answer(answer.status, said, answer.read(BODY_BYTES_MAX))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(_reason(error)) from None

    def stream(self, path: str) -> Iterator[dict[str, Any]]:
        """The data of each server-sent event, empty for a sign of life, until the server ends the stream. Raises Unreachable."""
        data: list[bytes] = []
        try:
            with self._open("GET", path, None, {"Accept": "text/event-stream"}, {}, SILENCE_SECONDS_MAX) as answer:
                if answer.status != 200:
                    raise Unreachable(f"{path} answered {answer.status}")
                for raw in answer:
                    line = raw.rstrip(b"\r\n")
                    if line.startswith(b"data:"):
                        data.append(line[5:].lstrip(b" "))
                    elif not line:
                        found = msgspec.json.decode(b"\n".join(data)) if data else {}
                        data.clear()
                        yield found if isinstance(found, dict) else {}
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(_reason(error)) from None

    def _open(
        self,
        method: str,
        path: str,
        document: Any,
        headers: Mapping[str, str],
        query: Mapping[str, object],
        seconds: float = ASK_SECONDS_MAX,
    ) -> Any:
        words = urllib.parse.urlencode([(name, str(value)) for name, value in query.items() if value is not None])
        request = urllib.request.Request(self.url + path + ("?" + words if words else ""), method=method)  # noqa: S310
        request.add_header("User-Agent", f"flightlog-drill/{__version__}")
        request.add_header("Accept", "application/json")
        for name, value in headers.items():
            request.add_header(name, value)
        if document is not None:
            request.data = msgspec.json.encode(document)
            request.add_header("Content-Type", "application/json")
        try:
            return _opener.open(request, timeout=seconds)
        except urllib.error.HTTPError as error:
            return error  # which is an answer too


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A drill is about the server that was named, and nobody else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


# The environment's proxies are for elsewhere.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(getattr(reason, "strerror", None) or reason) or type(reason).__name__

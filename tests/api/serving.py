"""The app over a real store, in process or on a socket."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvicorn
from fastapi import FastAPI

from flightlog.api.app import Services, create_app
from flightlog.archive.reader import attach
from flightlog.audit.project import AuditProjector
from flightlog.config import Settings
from flightlog.events.envelope import Event
from flightlog.ingest.batch import Intake
from flightlog.ingest.otlp.unmapped import UnmappedProjector
from flightlog.journal.append import Journal
from flightlog.journal.ready import Preparation
from flightlog.journal.tail import TailHub
from flightlog.recorder.redact import Redactor
from flightlog.runs.feedback_project import FeedbackProjector
from flightlog.runs.project import RunProjector
from flightlog.seal.keys import Keys
from flightlog.seal.sealer import Sealer
from flightlog.store.engine import open_store

BASE_URL = "http://127.0.0.1:4747"
START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


@contextmanager
def open_services(folder: Path, **settings: Any) -> Iterator[Services]:
    """Services over the store in `folder`."""
    chosen = Settings(**settings)
    store = open_store(folder, settings=chosen, writable=True)
    attach(store, folder, chosen)
    hub = TailHub(store, settings=chosen)
    try:
        yield Services(
            store=store,
            journal=Journal(
                store,
                [RunProjector(), FeedbackProjector(), AuditProjector(), UnmappedProjector(chosen)],
                settings=chosen,
            ),
            hub=hub,
            intake=Intake(Redactor(digest_key=b"for tests"), chosen),
            settings=chosen,
            seal_folder=folder / "seal",
        )
    finally:
        hub.close()
        store.close()


class FakeJournal:
    """A journal of which a test says what `append` does."""

    preparation = Preparation([])

    def append(self, events: Any, **more: Any) -> Any:
        raise NotImplementedError

    def append_ready(self, items: Any, **more: Any) -> Any:
        return self.append([item[0] for item in items], **more)


def seal_all(services: Services) -> None:
    """Seal and sign all that is there, as `flightlog up` does behind the append."""
    assert services.seal_folder is not None
    keys = Keys(services.seal_folder, overlap_seconds=services.settings.seal_key_overlap_seconds)
    sealer = Sealer(
        services.store, services.seal_folder, keys, clock=services.clock, batch_events_max=10_000, sync=lambda: None
    )
    sealer.open()
    while sealer.seal():
        continue
    sealer.publish()


class Client:
    """A client of an app in this process, request by request."""

    def __init__(self, app: FastAPI, base_url: str = BASE_URL) -> None:
        self.app = app
        self._base_url = base_url

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        return asyncio.run(self._request(method, url, **more))

    async def _request(self, method: str, url: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=self._base_url) as client:
            return await client.request(method, url, **more)

    def get(self, url: str, **more: Any) -> httpx.Response:
        return self.request("GET", url, **more)

    def post(self, url: str, **more: Any) -> httpx.Response:
        return self.request("POST", url, **more)

    def delete(self, url: str, **more: Any) -> httpx.Response:
        return self.request("DELETE", url, **more)


def client_of(services: Services, base_url: str = BASE_URL) -> Client:
    """A client of an app in this process."""
    return Client(create_app(services), base_url)


def changed(services: Services, **parts: Any) -> Services:
    """The same services but for these."""
    return replace(services, **parts)


def event(number: int, type_: str = "note", /, *, payload: Any = None, **fields: Any) -> Event:
    """Event number `number`: a note of run r1, one second after the one before, unless `fields` say otherwise."""
    given: dict[str, Any] = {
        "event_id": f"e{number:06d}",
        "type": type_,
        "created_at": START + number * SECOND,
        "run_id": "r1",
        "payload": msgspec.Raw(msgspec.json.encode({"text": f"number {number}"} if payload is None else payload)),
    }
    return Event(**{**given, **fields})


def fill(services: Services, count: int, first: int = 1, **fields: Any) -> None:
    """Append `count` notes."""
    services.journal.append([event(number, **fields) for number in range(first, first + count)])


class Server:
    """The app on a socket, in a thread."""

    def __init__(self, services: Services) -> None:
        self.app = create_app(services)
        self._hub = services.hub
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(self.app, log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=5)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()  # the socket listens already, so nobody has to wait
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop as `flightlog up` does: the streams first. Safe to call twice."""
        self._hub.close()
        self._server.should_exit = True
        self._thread.join(timeout=20)
        assert not self._thread.is_alive(), "the server did not stop"
        self._socket.close()

    @property
    def streams_open(self) -> int:
        """How many streams the app says are open."""
        return int(self.app.state.streams.open)


class Stream:
    """A client of a live stream, reading line by line."""

    def __init__(self, url: str, headers: dict[str, str] | None = None, timeout: float = 20.0, **params: Any) -> None:
        self._client = httpx.Client(timeout=timeout)
        request = self._client.build_request("GET", url, params=params, headers=headers)
        self.response = self._client.send(request, stream=True)
        self.lines = self.response.iter_lines()
        self.last_id: str | None = None

    def next(self) -> dict[str, Any]:
        """The next event; ids without data are remembered and passed over, as a browser does."""
        while True:
            line = next(self.lines)
            if line.startswith("id: "):
                self.last_id = line[4:]
            elif line.startswith("data: "):
                return dict(json.loads(line[6:]))

    def take(self, count: int) -> list[int]:
        """The journal ids of the next events."""
        return [self.next()["id"] for _ in range(count)]

    def next_line(self, start: str) -> str:
        """The next line that begins so."""
        return next(line for line in self.lines if line.startswith(start))

    def close(self) -> None:
        self.response.close()
        self._client.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

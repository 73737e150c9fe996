"""SIGKILL of the server that OpenTelemetry is sent to: what it acknowledged is in the journal, once, and what it did not can be
sent again."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
from collections import Counter as Tally
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from flightlog.config import Settings
from flightlog.journal.read import EventFilter, read_events
from flightlog.wiring import Keeper
from tests.crash.actors import ROOT
from tests.ingest.otlp.requests import span, traces

PROTO = {"Content-Type": "application/x-protobuf"}
SPANS = 50  # in one request


def campaign(rounds: int) -> object:
    return pytest.mark.parametrize(
        "rounds", [pytest.param(2, id="sample"), pytest.param(rounds, id="campaign", marks=pytest.mark.torture)]
    )


def body(request: int) -> bytes:
    """Request number `request`: so many spans that no other request has, of a trace of its own."""
    trace = (request + 1).to_bytes(16, "big")
    spans = [span(number + 1, {"text": "x" * 300}, trace_id=trace) for number in range(SPANS)]
    return traces(*spans).SerializeToString()


@contextmanager
def served(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """`flightlog up`, ready; killed at the end if it still lives."""
    command = [sys.executable, "-m", "flightlog.cli.main", "up", "--dir", str(folder), "--port", str(port), "--json"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["url"].endswith(f":{port}")
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def stored(folder: Path) -> Tally[str]:
    """How often each span is in the journal."""
    keeper = Keeper(folder, Settings(), writable=True)
    found: Tally[str] = Tally()
    try:
        after = 0
        while page := read_events(keeper.store, EventFilter(), after_id=after, limit=1_000, payloads=False).events:
            found.update(event.event_id for event in page if event.span_id is not None)
            after = page[-1].id
    finally:
        keeper.close()
    return found


def check(folder: Path, requests: int) -> None:
    found = stored(folder)
    wanted = [f"{request + 1:032x}-{number + 1:016x}" for request in range(requests) for number in range(SPANS)]
    missing = [one for one in wanted if one not in found]
    assert not missing, f"{len(missing)} of {len(wanted)} acknowledged spans are lost, such as {missing[:3]}"
    doubled = [one for one, times in found.items() if times > 1]
    assert not doubled, f"{len(doubled)} spans are there twice, such as {doubled[:3]}"


@campaign(20)
def test_killing_the_server_right_after_its_last_answer_loses_nothing(tmp_path: Path, rounds: int) -> None:
    chance = random.Random(30)
    sent = 0
    for _ in range(rounds):
        port = free_port()
        with served(tmp_path / "flight", port) as server, httpx.Client(headers=PROTO, timeout=30) as client:
            for _ in range(chance.randrange(1, 12)):
                answer = client.post(f"http://127.0.0.1:{port}/v1/traces", content=body(sent))
                assert (answer.status_code, answer.content) == (200, b"")
                sent += 1
            server.kill()
    check(tmp_path / "flight", sent)


class Sender:
    """Sends request after request and each of them until it is acknowledged, as exporters do."""

    def __init__(self, port: int) -> None:
        self.acknowledged = 0
        self.retried = 0
        self.refused: list[bytes] = []
        self._url = f"http://127.0.0.1:{port}/v1/traces"
        self._stop = threading.Event()
        self._more = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with httpx.Client(headers=PROTO, timeout=30) as client:
            while not self._stop.is_set():
                self._send(client, body(self.acknowledged))
                with self._more:
                    self.acknowledged += 1
                    self._more.notify_all()

    def _send(self, client: httpx.Client, data: bytes) -> None:
        while True:
            try:
                answer = client.post(self._url, content=data)
                if answer.status_code == 200:
                    self.refused += [answer.content] if answer.content else []
                    return
            except httpx.TransportError:
                pass
            self.retried += 1
            threading.Event().wait(0.02)

    def wait_for(self, acknowledged: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: self.acknowledged >= acknowledged, timeout=60)

    def finish(self) -> None:
        self._stop.set()
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()


@campaign(20)
def test_killing_the_server_in_the_middle_while_the_sender_tries_again_stores_each_span_once(
    tmp_path: Path, rounds: int
) -> None:
    chance = random.Random(31)
    port = free_port()
    sender = Sender(port)
    for _ in range(rounds):
        with served(tmp_path / "flight", port) as server:
            sender.wait_for(sender.acknowledged + chance.randrange(1, 12))
            threading.Event().wait(chance.random() * 0.02)  # anywhere within a request
            server.kill()
    with served(tmp_path / "flight", port):
        sender.wait_for(sender.acknowledged + 1)
        sender.finish()
    assert sender.retried
    assert not sender.refused, "a span that comes again is no conflict"
    check(tmp_path / "flight", sender.acknowledged)

"""`up`: a server that starts with a URL, ends in order, and explains why it can't start."""

from __future__ import annotations

import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from flightlog import wiring
from flightlog.cli import serving
from flightlog.config import Settings
from flightlog.recorder.drain import Drain
from flightlog.store.lock import holder
from tests.cli.conftest import spool_notes
from tests.cli.terminal import Process, Server, flightlog, flightlog_process


def test_it_says_where_it_is_and_answers_there(folder: Path) -> None:
    with Process(["up", "--dir", folder, "--port", "0"]) as process:
        url = process.line(lambda line: "http://" in line).split(" at ")[1].split()[0]
        with urllib.request.urlopen(url + "/healthz", timeout=10) as answer:
            assert answer.read() == b"ok\n"
        with urllib.request.urlopen(url + "/", timeout=10) as answer:
            assert "text/html" in answer.headers["content-type"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_when_it_is_told_to(folder: Path, number: signal.Signals) -> None:
    with Server(folder) as server:
        assert server.ready["pid"] == holder(folder)
        server.send(number)
        assert server.wait() == 0
        assert server.errors[-1].startswith("flightlog: stopped; ")
    assert holder(folder) is None


def test_what_is_in_the_spool_is_delivered_before_it_ends(folder: Path) -> None:
    run_id = spool_notes(folder, 3_000)
    with Server(folder) as server:
        server.send(signal.SIGTERM)
        assert server.wait() == 0
    assert flightlog("run", "show", run_id, "--dir", folder, "--json").json["run"]["event_count"] == 3_000


def test_an_open_stream_does_not_keep_it_from_ending(folder: Path) -> None:
    with Server(folder) as server:
        with urllib.request.urlopen(server.url + "/api/events/stream", timeout=20) as stream:
            assert stream.readline().startswith(b"retry:")
            server.send(signal.SIGTERM)
            assert server.wait() == 0
        assert not [line for line in server.errors if "Traceback" in line or "exceeded" in line]


def test_a_second_signal_ends_it_at_once_and_loses_nothing(folder: Path) -> None:
    run_id = spool_notes(folder, 20_000)
    with Server(folder) as server:
        server.send(signal.SIGTERM)
        server.send(signal.SIGINT)
        server.wait()
    assert flightlog("drain", "--dir", folder).code == 0
    assert flightlog("run", "show", run_id, "--dir", folder, "--json").json["run"]["event_count"] == 20_000


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com"])
def test_addresses_that_others_could_reach_are_refused(folder: Path, host: str) -> None:
    said = flightlog("up", "--dir", folder, "--port", "0", "--host", host, "--json")
    assert (said.code, said.problem["type"]) == (4, "/problems/bind-refused")
    assert "loopback only" in said.problem["detail"]
    assert not folder.exists()


def test_it_serves_on_the_other_loopback_too(folder: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.fail("this machine has no IPv6 loopback")
    with Server(folder, "--host", "::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert flightlog("run", "list", "--server", server.url, "--json").json["runs"] == []


def test_a_second_writer_is_told_who_the_first_is(folder: Path) -> None:
    with Server(folder) as server:
        said = flightlog_process("up", "--dir", folder, "--port", "0", "--json")
        assert said.code == 5
        assert said.problem["type"] == "/problems/writer-locked"
        assert said.problem["facts"]["pid"] == server.pid
        assert "flightlog doctor" in said.problem["advice"]
        assert flightlog("import", "swe-agent", "x.traj", "--dir", folder).code == 5


def test_a_recorder_that_delivers_hands_the_lock_to_a_verb_that_needs_it(folder: Path) -> None:
    with wiring.open(folder) as recorder:
        recorder.note("here")
        assert recorder.flush(30)
        assert flightlog_process("drain", "--dir", folder).code == 0
        recorder.note("still here")
        assert recorder.flush(30)


def test_a_port_that_is_taken_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = flightlog("up", "--dir", folder, "--port", port, "--json")
    assert said.code == 5
    assert port in said.problem["detail"]
    assert "--port" in said.problem["detail"]


def test_a_setting_that_can_not_be_is_named(folder: Path) -> None:
    folder.mkdir()
    (folder / "flightlog.toml").write_text("payload_bytes_max = -1\n")
    said = flightlog("up", "--dir", folder, "--port", "0", "--json")
    assert (said.code, said.problem["facts"]["name"]) == (2, "payload_bytes_max")


def test_what_its_own_drain_did_not_get_to_is_delivered_at_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = spool_notes(folder, 300)
    monkeypatch.setattr(Drain, "start", lambda self: None)  # a drain that is too slow to have begun
    listener = serving.listen("127.0.0.1", 0)
    stop = lambda: signal.raise_signal(signal.SIGTERM)  # noqa: E731
    assert serving.serve(folder, Settings(), "127.0.0.1", listener, on_ready=stop) == 300
    assert flightlog("run", "show", run_id, "--dir", folder, "--json").json["run"]["event_count"] == 300

"""`flightlog up --otlp-grpc-port`: asked for it is there, not asked for it is not, and it ends with the server."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from tests.cli.terminal import Server, flightlog_process
from tests.ingest.otlp.requests import span, traces

grpc = pytest.importorskip("grpc", reason="the extra grpc is not installed")

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def health(server: Server) -> dict[str, object]:
    import httpx

    found: dict[str, object] = httpx.get(f"{server.url}/api/health").json()
    return found


def test_spans_sent_by_grpc_are_in_the_store_when_the_server_has_ended(tmp_path: Path) -> None:
    folder = tmp_path / "flight"
    with Server(folder, "--otlp-grpc-port", "0") as server:
        address = str(server.ready["otlp_grpc"])
        assert health(server)["otlp_grpc"] == address
        with grpc.insecure_channel(address) as channel:
            body = traces(span(1), span(2)).SerializeToString()
            assert channel.unary_unary(EXPORT)(body, timeout=20, wait_for_ready=True) == b""
        server.send(signal.SIGTERM)
        assert server.wait() == 0
    listed = flightlog_process("events", "--types", "span_finished", "--json", "--dir", folder)
    assert [event["name"] for event in listed.json["events"]] == ["step 1", "step 2"]


def test_without_being_asked_for_it_is_not_there(tmp_path: Path) -> None:
    with Server(tmp_path / "flight") as server:
        assert "otlp_grpc" not in server.ready
        assert health(server)["otlp_grpc"] is None


def test_the_setting_asks_for_it_too(tmp_path: Path) -> None:
    with Server(tmp_path / "flight", FLIGHTLOG_OTLP_GRPC_PORT="0") as server:
        assert server.ready["otlp_grpc"]


def test_a_port_that_is_taken_ends_the_verb_with_a_word(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = flightlog_process("up", "--dir", tmp_path / "flight", "--port", "0", "--otlp-grpc-port", port)
    assert said.code == 5
    assert f"port {port}" in said.err
    assert "--otlp-grpc-port" in said.err
    assert "Traceback" not in said.err

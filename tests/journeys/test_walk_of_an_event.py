"""The walk of an event, with a finger on the tree: emit → spool → drain → journal → HTTP, page, stream, command line."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx

import flightlog
from tests.journeys.served import cli, serve


def events_of(url: str, run_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = httpx.get(f"{url}/api/runs/{run_id}/events", params={"limit": 1000, **query})
    answer.raise_for_status()
    return answer.json()["events"]


def test_a_recorded_run_is_read_back_everywhere(tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        rec = flightlog.open(tmp_path, actor="agent-7")
        with rec.run("fix the login bug") as run:
            event_id = run.emit("note", {"text": "<script>alert(1)</script>", "n": 1.5})
            with run.span("plan"):
                run.emit("acme.thought", {"deep": {"er": [1, 2]}})
        assert rec.flush(timeout=20)
        rec.close()

        events = events_of(served.url, run.id)
        assert [event["type"] for event in events] == [
            "run_started", "note", "span_started", "acme.thought", "span_finished", "run_finished",
        ]  # fmt: skip
        assert events[1]["payload"] == {"text": "<script>alert(1)</script>", "n": 1.5}
        assert events[1]["event_id"] == event_id
        assert {event["actor"] for event in events} == {"agent-7"}
        assert [event["id"] for event in events] == sorted(event["id"] for event in events)
        assert [event["seq"] for event in events] == [1, 2, 3, 4, 5, 6]

        run_json = httpx.get(f"{served.url}/api/runs/{run.id}").json()
        assert (run_json["status"], run_json["event_count"], run_json["actor"]) == ("succeeded", 6, "agent-7")
        page = httpx.get(f"{served.url}/runs/{run.id}", headers={"accept": "text/html"}).text
        assert "fix the login bug" in page
        assert "<script>alert(1)</script>" not in page

        listed = json.loads(cli("run", "list", "--dir", str(tmp_path), "--json").stdout)
        assert [item["run_id"] for item in listed["runs"]] == [run.id]
        remote = json.loads(cli("events", "--server", served.url, "--type", "note", "--json").stdout)
        assert [item["event_id"] for item in remote["events"]] == [event_id]


def test_a_waiting_reader_gets_an_event_within_moments_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with serve(tmp_path) as served, flightlog.open(tmp_path) as rec, rec.run("live") as run:
        rec.flush(timeout=20)
        got: list[tuple[str, str]] = []
        came = threading.Condition()

        def watch(last_event_id: str | None, until: int) -> None:
            headers = {"last-event-id": last_event_id} if last_event_id else {}
            with httpx.stream(
                "GET", f"{served.url}/api/runs/{run.id}/stream?afterId=0", headers=headers, timeout=30
            ) as answer:
                found: dict[str, str] = {}
                for line in answer.iter_lines():
                    name, _, value = line.partition(": ")
                    found[name] = value
                    if not line and "data" in found:
                        with came:
                            got.append((found["id"], json.loads(found["data"])["type"]))
                            came.notify_all()
                            found = {}
                            if len(got) >= until:
                                return

        first = threading.Thread(target=watch, args=(None, 2), daemon=True)
        first.start()
        with came:
            assert came.wait_for(lambda: len(got) == 1, 20)
        run.emit("note", {"text": "one"})
        with came:
            assert came.wait_for(lambda: len(got) == 2, 20)
        first.join(20)
        run.emit("note", {"text": "while nobody watched"})
        run.emit("error", {"message": "two"})
        second = threading.Thread(target=watch, args=(got[-1][0], 4), daemon=True)
        second.start()
        with came:
            assert came.wait_for(lambda: len(got) == 4, 20)
        assert [kind for _, kind in got] == ["run_started", "note", "note", "error"]
        assert len({place for place, _ in got}) == 4


def test_a_server_started_later_takes_over_from_a_recorder_and_gives_back_when_it_is_gone(tmp_path: Path) -> None:
    with flightlog.open(tmp_path) as rec, rec.run("long") as run:
        assert rec.flush(timeout=30)
        assert rec.health().draining == "here"
        with serve(tmp_path) as served:
            run.emit("note", {"text": "carried by the server"})
            assert rec.flush(timeout=30)
            assert rec.health().draining == "elsewhere"
            assert len(events_of(served.url, run.id, types="note")) == 1
        run.emit("note", {"text": "carried by the host again"})
        assert rec.flush(timeout=30)
        assert rec.health().draining == "here"
    listed = json.loads(cli("events", "--dir", str(tmp_path), "--type", "note", "--json").stdout)["events"]
    assert len({item["event_id"] for item in listed}) == 2


def test_two_servers_on_one_folder_are_one_too_many(tmp_path: Path) -> None:
    with serve(tmp_path):
        second = cli("up", "--dir", str(tmp_path), "--port", "0")
        assert second.returncode == 5
        assert "is the writer" in second.stderr


def test_a_recorder_with_a_server_address_delivers_over_http(tmp_path: Path) -> None:
    with serve(tmp_path / "server") as served:
        with flightlog.open(served.url, spool_dir=tmp_path / "local") as rec:
            with rec.run("far away") as run:
                for number in range(50):
                    run.emit("note", {"text": "x" * 2_000, "number": number})
            assert rec.flush(timeout=30)
            assert not list((tmp_path / "local").rglob("*.seg"))
        notes = events_of(served.url, run.id, types="note")
        assert [event["payload"]["number"] for event in notes] == list(range(50))


def test_events_wait_while_the_server_is_down_and_arrive_once_when_it_is_back(tmp_path: Path) -> None:
    with serve(tmp_path / "server") as served:
        url, port = served.url, int(served.url.rsplit(":", 1)[1])
        rec = flightlog.open(url, spool_dir=tmp_path / "local")
        run = rec.run("patient").start()
        run.emit("note", {"text": "before"})
        assert rec.flush(timeout=30)
        served.process.kill()
        served.process.wait()
        for number in range(20):
            run.emit("note", {"text": f"while it was down {number}"})
        assert rec.flush(timeout=0.2) is False
        signal = rec.degradation()
        assert signal is not None
        assert (signal.code, signal.lost) == ("TRACE_PERSISTENCE_DEGRADED", 0)
    with serve(tmp_path / "server", port):
        assert rec.flush(timeout=40)
        run.finish()
        rec.close()
        assert len(events_of(url, run.id, types="note")) == 21
        assert rec.degradation() is None

"""The recorder as user code meets it: what is recorded, what bad calls become, what it says of its health."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

import flightlog
from flightlog.config import Settings
from flightlog.errors import EventInvalid, EventTypeUnknown, FieldTooLong, SettingInvalid
from flightlog.events.envelope import FLAG_INVALID, Event
from flightlog.testing import FakeClock, MemoryRecorder


def types(rec: MemoryRecorder) -> list[str]:
    return [event.type for event in rec.events]


def last(rec: MemoryRecorder) -> Event:
    return rec.events[-1]


def test_a_run_records_its_start_its_events_and_its_end() -> None:
    rec = MemoryRecorder(actor="agent-7")
    with rec.run("fix the login bug", attributes={"ticket": 12}, input="please") as run:
        event_id = run.emit("note", {"text": "starting"})
        rec.clock.advance(2)  # type: ignore[attr-defined]
    start, note, end = rec.events
    assert (start.type, start.name, start.actor, start.run_id) == (
        "run_started",
        "fix the login bug",
        "agent-7",
        run.id,
    )
    assert rec.payloads("run_started") == [
        {"name": "fix the login bug", "attributes": {"ticket": 12}, "input": "please"}
    ]
    assert note.event_id == event_id
    assert (end.type, end.status, end.duration_ns) == ("run_finished", "succeeded", 2 * 10**9)
    assert len({event.trace_id for event in rec.events}) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("no"), "failed"),
        (KeyboardInterrupt(), "canceled"),
        (SystemExit(3), "canceled"),
        (SystemExit(0), "succeeded"),
        (asyncio.CancelledError(), "canceled"),
    ],
)
def test_an_exception_ends_the_run_is_described_and_goes_on(error: BaseException, status: str) -> None:
    rec = MemoryRecorder()
    with pytest.raises(type(error)), rec.run("r"):
        raise error
    assert last(rec).status == status
    assert rec.payloads("run_finished")[0]["error"]["kind"] == type(error).__name__


def test_a_run_finishes_once() -> None:
    rec = MemoryRecorder()
    run = rec.run("r").start()
    run.finish("failed")
    run.finish("succeeded")
    assert types(rec) == ["run_started", "run_finished"]
    assert last(rec).status == "failed"


def test_a_failing_span_says_so_and_its_run_too() -> None:
    rec = MemoryRecorder()
    with pytest.raises(RuntimeError), rec.run("r") as run, run.span("plan", model="m"):
        raise RuntimeError("broken")
    assert [(event.type, event.status) for event in rec.events][-2:] == [
        ("span_finished", "error"),
        ("run_finished", "failed"),
    ]
    assert rec.payloads("span_started") == [{"attributes": {"model": "m"}}]


def test_an_emit_before_start_starts_the_run() -> None:
    rec = MemoryRecorder()
    rec.run("r").emit("note", {"text": "early"})
    assert types(rec) == ["run_started", "note"]


BAD_CALLS: list[tuple[str, Any, dict[str, Any], type[Exception]]] = [
    ("reindexed", {}, {}, EventTypeUnknown),
    ("", {}, {}, EventInvalid),
    ("note", {}, {}, EventInvalid),
    ("note", None, {}, EventInvalid),
    ("note", "just text", {}, EventInvalid),
    ("note", {"text": "x"}, {"level": "loud"}, EventInvalid),
    ("note", {"text": "x"}, {"name": "n" * 1_000}, FieldTooLong),
    ("note", {"text": "x"}, {"actor": object()}, EventInvalid),
    ("note", {"text": "x"}, {"duration_ns": -1}, EventInvalid),
    ("note", {"text": "x"}, {"duration_ns": 2**70}, EventInvalid),
    ("note", {"text": "x"}, {"created_at": "yesterday"}, EventInvalid),
    ("note", {"text": "x"}, {"colour": "red"}, EventInvalid),
    (42, {"text": "x"}, {}, EventInvalid),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("type_", "payload", "fields", "error"), BAD_CALLS)
def test_a_bad_call_raises_when_strict(
    type_: str, payload: object, fields: dict[str, Any], error: type[Exception]
) -> None:
    rec = MemoryRecorder(strict=True)
    with pytest.raises(error):
        rec.emit(type_, payload, **fields)
    assert rec.events == []


@pytest.mark.parametrize(("type_", "payload", "fields", "error"), BAD_CALLS)
def test_a_bad_call_is_recorded_flagged_and_counted_otherwise(
    type_: str, payload: object, fields: dict[str, Any], error: type[Exception]
) -> None:
    rec = MemoryRecorder(strict=False)
    event_id = rec.emit(type_, payload, **fields)
    (event,) = rec.events
    assert event.event_id == event_id
    assert event.flags & FLAG_INVALID
    assert rec.health().bad_calls == 1


def test_what_a_bad_call_carried_is_kept_as_far_as_it_goes() -> None:
    rec = MemoryRecorder(strict=False)
    rec.emit("note", "just text", name="n" * 1_000, actor=7)
    event = last(rec)
    assert msgspec.json.decode(event.payload) == {"value": "just text"}
    assert len(event.name or "") == 512
    assert event.actor == "7"


def test_lone_surrogates_anywhere_do_no_harm() -> None:
    rec = MemoryRecorder(strict=False)
    rec.emit("note", {"text": "a\ud800b", "\udfff": 1}, name="n\ud800", run_id="r\ud800")
    assert last(rec).type == "note"


def test_emit_survives_a_recorder_that_is_broken_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    rec = MemoryRecorder(strict=False)

    def broken(*_: object) -> bool:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(rec, "_append", broken)
    assert rec.emit("note", {"text": "x"}) == ""
    assert rec.health().dropped == {"encode_failed": 1}


def test_a_project_actor_and_source_given_at_open_are_on_every_event(tmp_path: Path) -> None:
    with flightlog.open(tmp_path, project="shop", actor="agent", source="worker", drain=False) as rec:
        assert rec.settings.project == "shop"
        assert (rec.actor, rec.source) == ("agent", "worker")


def test_a_target_that_can_not_be_is_refused_at_once() -> None:
    rec = flightlog.open("http://", spool_dir="/nonexistent", drain=True)
    rec.close()
    with pytest.raises(SettingInvalid):
        flightlog.open("./flight", settings=Settings.load(None, {"FLIGHTLOG_HUNG_SECONDS": "soon"}))


def test_without_a_drain_everything_waits_in_the_spool_and_flush_says_no(tmp_path: Path) -> None:
    with flightlog.open(tmp_path, drain=False) as rec:
        rec.emit("note", {"text": "x"})
        assert rec.flush(timeout=0.05) is False
        assert rec.health().rung == "spooling"
        assert rec.health().draining == "nobody"


def test_open_runs_say_that_they_are_alive(tmp_path: Path) -> None:
    clock = FakeClock()
    rec = MemoryRecorder(clock=clock)
    with rec.run("r") as run, run.span("slow"):
        clock.advance(11)
        rec._beat()
        rec._beat()
    assert types(rec).count("run_heartbeat") == 1
    assert rec.payloads("run_heartbeat") == [{"open_spans": ["slow"], "uptime_ns": 11 * 10**9}]


def test_degradation_is_said_once_in_log_and_stream_and_so_is_recovery(caplog: pytest.LogCaptureFixture) -> None:
    rec = MemoryRecorder()
    with caplog.at_level(logging.WARNING, logger="flightlog"):
        rec.memory.trouble = "disk_full"
        rec.emit("note", {"text": "lost"})
        rec._watch.look({})
        rec._watch.look({})
        signal = rec.degradation()
        assert signal is not None
        assert (signal.code, signal.reason, signal.lost) == ("TRACE_PERSISTENCE_DEGRADED", "disk_full", 2)
        rec.memory.trouble = None
        rec.memory.tally.reported()
        rec._watch.look({})
        rec._watch.look({})
    assert [record.message for record in caplog.records] == [
        "ai_trace_persistence_degraded",
        "ai_trace_persistence_recovered",
    ]
    assert rec.degradation() is None
    assert [(event.type, event.status) for event in rec.events] == [("degraded", "ended")]


def test_every_run_that_trouble_touched_is_told_how_it_began_and_ended() -> None:
    rec = MemoryRecorder()
    before = rec.run("over before").start()
    before.finish()
    early = rec.run("open before").start()
    rec.memory.tally.add("spool_full", None, 1)
    rec._watch.look(rec._runs)
    late = rec.run("opened meanwhile").start()
    early.finish()
    rec.memory.tally.reported()
    rec._watch.look(rec._runs)
    told = [(event.run_id, event.status) for event in rec.events if event.type == "degraded"]
    assert told == [(early.id, "began"), (early.id, "ended"), (late.id, "ended")]
    rec.memory.tally.add("spool_full", None, 1)
    rec._watch.look(rec._runs)
    assert [event.run_id for event in rec.events if event.type == "degraded"][3:] == [late.id]


def test_threads_share_a_recorder_without_losing_anything() -> None:
    rec = MemoryRecorder()
    with rec.run("r") as run:
        threads = [
            threading.Thread(target=lambda: [run.emit("note", {"text": "x"}) for _ in range(200)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert types(rec).count("note") == 1_600
    assert len({event.event_id for event in rec.events}) == 1_602


def test_what_was_recorded_is_in_the_store_after_flush(tmp_path: Path) -> None:
    with flightlog.open(tmp_path) as rec:
        with rec.run("r") as run:
            run.emit("note", {"text": "x"})
        assert rec.flush(timeout=30) is True
        assert rec.health().draining == "here"
        assert not list((tmp_path / "spool").glob("*.seg"))


def test_closing_twice_is_safe_and_a_closed_recorder_still_does_not_raise(tmp_path: Path) -> None:
    rec = flightlog.open(tmp_path, drain=False)
    rec.emit("note", {"text": "x"})
    rec.close()
    rec.close()
    rec.emit("note", {"text": "after the end"})
    assert len(list((tmp_path / "spool").glob("*.seg"))) == 2, "an event after close is kept as well as one can"

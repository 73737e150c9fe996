"""The run that code belongs to follows it: with blocks, threads, executors, asyncio, fork."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import flightlog
from flightlog import current_run
from flightlog.recorder.context import current_scope
from flightlog.testing import MemoryRecorder
from tests.recorder.spools import ListSink, drain_all
from tests.recorder.spools import drain as drain_of


def spans_of(recorder: MemoryRecorder) -> dict[str | None, tuple[str | None, str | None]]:
    return {
        event.name: (event.span_id, event.parent_span_id) for event in recorder.events if event.type == "span_started"
    }


def test_spans_nest_under_the_run_and_each_other() -> None:
    rec = MemoryRecorder()
    with rec.run("outer") as run, run.span("a"), run.span("b"):
        rec.emit("note", {"text": "inside b"})
    spans = spans_of(rec)
    assert spans["a"][1] == run.span_id
    assert spans["b"][1] == spans["a"][0]
    (note,) = [event for event in rec.events if event.type == "note"]
    assert (note.run_id, note.span_id, note.trace_id) == (run.id, spans["b"][0], run.trace_id)


def test_outside_any_run_there_is_no_run() -> None:
    rec = MemoryRecorder()
    assert current_run() is None
    rec.emit("note", {"text": "alone"})
    assert rec.events[0].run_id is None


def test_a_run_inside_a_run_shares_its_trace_and_hangs_under_it() -> None:
    rec = MemoryRecorder()
    with rec.run("outer") as outer, rec.run("inner") as inner:
        assert current_run() is inner
        assert inner.trace_id == outer.trace_id
        assert inner.parent_span_id == outer.span_id
        assert inner.id != outer.id
    assert current_run() is None


def test_a_thread_starts_inside_the_scope_that_started_it() -> None:
    rec = MemoryRecorder()
    seen = []
    with rec.run("r") as run, run.span("s") as span:
        thread = threading.Thread(target=lambda: seen.append(current_scope()))
        thread.start()
        thread.join()
    assert seen[0] is not None
    assert (seen[0].run, seen[0].span_id) == (run, span.span_id)


def test_a_thread_class_with_its_own_run_method_is_followed_too() -> None:
    rec = MemoryRecorder()
    seen = []

    class Worker(threading.Thread):
        def run(self) -> None:
            seen.append(current_run())

    with rec.run("r") as run:
        worker = Worker()
        worker.start()
        worker.join()
    assert seen == [run]


def test_executor_jobs_belong_to_whoever_submitted_them_and_workers_keep_nothing() -> None:
    rec = MemoryRecorder()
    with ThreadPoolExecutor(max_workers=1) as pool:
        with rec.run("first") as first:
            assert pool.submit(current_run).result() is first
        with rec.run("second") as second:
            assert pool.submit(current_run).result() is second
        assert pool.submit(current_run).result() is None
        with rec.run("third") as third:
            assert list(pool.map(lambda _: current_run(), range(3))) == [third] * 3


def test_asyncio_tasks_keep_their_own_run() -> None:
    rec = MemoryRecorder()

    async def work(name: str) -> tuple[str, str]:
        with rec.run(name) as run:
            await asyncio.sleep(0)
            inner = await asyncio.create_task(_ask())
            await asyncio.to_thread(lambda: rec.emit("note", {"text": name}))
            return run.id, inner

    async def _ask() -> str:
        run = current_run()
        assert run is not None
        return run.id

    async def main() -> list[tuple[str, str]]:
        return await asyncio.gather(*(work(f"run {number}") for number in range(10)))

    for run_id, inner in asyncio.run(main()):
        assert run_id == inner
    names = {event.run_id: event.name for event in rec.events if event.type == "run_started"}
    for event, payload in zip([e for e in rec.events if e.type == "note"], rec.payloads("note"), strict=True):
        assert names[event.run_id] == payload["text"]


def test_a_forked_child_goes_on_in_the_same_run_as_a_producer_of_its_own(tmp_path: Path) -> None:
    rec = flightlog.open(tmp_path, drain=False)
    with rec.run("parent") as run:
        run.emit("note", {"text": "before"})
        if not (child := os.fork()):
            run.emit("note", {"text": "in the child"})
            rec.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        run.emit("note", {"text": "after"})
    rec.close()
    sink = ListSink()
    drain_all(drain_of(tmp_path / "spool", sink))
    notes = [event for event in sink.events.values() if event.type == "note"]
    assert len(notes) == 3
    assert {event.run_id for event in notes} == {run.id}
    assert len({event.producer_id for event in notes}) == 2
    assert len({event.event_id for event in notes}) == 3
    assert sink.lost() == {}


def test_a_child_that_never_records_leaves_its_parents_files_alone(tmp_path: Path) -> None:
    rec = flightlog.open(tmp_path, drain=False)
    rec.emit("note", {"text": "1"})
    if not (child := os.fork()):
        os._exit(0)
    os.waitpid(child, 0)
    rec.emit("note", {"text": "2"})
    sink = ListSink()
    carrier = drain_of(tmp_path / "spool", sink)
    drain_all(carrier)
    assert len(sink.events) == 2
    assert len(list((tmp_path / "spool").glob("*.seg"))) == 1, "the parent lives and keeps its segment"
    rec.close()


def test_a_span_left_in_another_order_than_it_was_entered_does_no_harm() -> None:
    rec = MemoryRecorder()
    with rec.run("r") as run:
        first, second = run.span("first"), run.span("second")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
    assert current_run() is None
    assert sum(event.type == "span_finished" for event in rec.events) == 2


def _generator(emit: Callable[[], object]) -> object:
    yield emit()


def test_a_generator_that_outlives_its_run_does_not_raise() -> None:
    rec = MemoryRecorder()
    with rec.run("r") as run:
        generator = _generator(lambda: run.emit("note", {"text": "late"}))
    list(generator)  # type: ignore[call-overload]
    assert rec.payloads("note") == [{"text": "late"}]

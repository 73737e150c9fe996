"""Runs of Flightlog and spans of OpenTelemetry are in one tree, whichever is around the other."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.trace import TracerProvider

import flightlog
from flightlog.events.envelope import FLAG_ROOT, Event
from flightlog.otel import SpanProcessor
from flightlog.testing import MemoryRecorder
from tests.otel.making import finished, provider_of
from tests.recorder.spools import ListSink, drain_all
from tests.recorder.spools import drain as drain_of


def note(recorder: MemoryRecorder, text: str = "here") -> Event:
    recorder.emit("note", {"text": text})
    return recorder.events[-1]


def test_a_run_is_the_parent_of_the_spans_started_inside_it() -> None:
    rec = MemoryRecorder()
    tracer = provider_of(rec).get_tracer("t")
    with rec.run("agent", task_id="T-1") as run:
        with tracer.start_as_current_span("first"):
            pass
        with run.span("step") as step, tracer.start_as_current_span("second"):
            tracer.start_span("third").end()
    first, second, third = (finished(rec, name) for name in ("first", "second", "third"))
    assert {(one.run_id, one.trace_id, one.task_id) for one in (first, second, third)} == {
        (run.id, run.trace_id, "T-1")
    }
    assert (first.parent_span_id, second.parent_span_id) == (run.span_id, step.span_id)
    assert third.parent_span_id == second.span_id
    assert not first.flags & FLAG_ROOT
    with tracer.start_as_current_span("afterwards"):
        pass
    assert finished(rec, "afterwards").parent_span_id is None


def test_a_span_is_the_parent_of_runs_spans_and_events_inside_it() -> None:
    rec = MemoryRecorder()
    tracer = provider_of(rec).get_tracer("t")
    with tracer.start_as_current_span("request") as request:
        alone = note(rec)
        with rec.span("part") as part:
            within = note(rec)
        with rec.run("agent") as run:
            mine = note(rec)
    span_id, trace_id = f"{request.get_span_context().span_id:016x}", f"{request.get_span_context().trace_id:032x}"
    assert (alone.run_id, alone.trace_id, alone.span_id) == (trace_id, trace_id, span_id)
    assert part.parent_span_id == span_id
    assert (within.run_id, within.trace_id, within.span_id) == (trace_id, trace_id, part.span_id)
    assert (run.trace_id, run.parent_span_id) == (trace_id, span_id)
    assert (mine.run_id, mine.trace_id, mine.span_id) == (run.id, trace_id, run.span_id)
    assert finished(rec, "request").run_id == trace_id
    assert note(rec).trace_id is None


def test_by_turns_each_hangs_under_the_innermost() -> None:
    rec = MemoryRecorder()
    tracer = provider_of(rec).get_tracer("t")
    with rec.run("agent") as run, tracer.start_as_current_span("workflow"):
        inside = note(rec)
        with run.span("step") as step, tracer.start_as_current_span("call"):
            deep = note(rec)
            assert flightlog.current_run() is run
    workflow, call = finished(rec, "workflow"), finished(rec, "call")
    assert (workflow.parent_span_id, call.parent_span_id) == (run.span_id, step.span_id)
    assert step.parent_span_id == workflow.span_id
    assert (inside.span_id, deep.span_id) == (workflow.span_id, call.span_id)
    assert {inside.run_id, deep.run_id, workflow.run_id, call.run_id} == {run.id}


def test_a_trace_that_is_begun_anew_inside_a_run_still_lands_on_it_when_nothing_else_is_said() -> None:
    rec = MemoryRecorder()
    tracer = provider_of(rec).get_tracer("t")
    with rec.run("agent") as run:
        with tracer.start_as_current_span("apart", context=Context()) as apart:
            inside = note(rec)
        named = tracer.start_span("elsewhere", attributes={"flightlog.run.id": "r-7"})
        named.end()
    trace_id = f"{apart.get_span_context().trace_id:032x}"
    assert (finished(rec, "apart").trace_id, finished(rec, "apart").run_id) == (trace_id, trace_id)
    assert (inside.run_id, inside.trace_id) == (run.id, trace_id)
    assert finished(rec, "elsewhere").run_id == "r-7"


def test_headers_lead_from_one_to_the_other() -> None:
    rec = MemoryRecorder()
    tracer = provider_of(rec).get_tracer("t")
    with rec.run("client") as run:
        headers: dict[str, str] = {}
        inject(headers)
        assert headers == run.inject({})
    with tracer.start_as_current_span("server", context=extract(headers)):
        onward = rec.inject({})
    server = finished(rec, "server")
    assert (server.trace_id, server.parent_span_id) == (run.trace_id, run.span_id)
    assert onward == {"traceparent": f"00-{run.trace_id}-{server.span_id}-01"}
    assert rec.run("behind", traceparent=onward).parent_span_id == server.span_id


def test_threads_and_executors_go_on_in_the_innermost_span() -> None:
    rec = MemoryRecorder()
    tracer = provider_of(rec).get_tracer("t")
    with rec.run("agent") as run, tracer.start_as_current_span("workflow"):
        thread = threading.Thread(target=lambda: tracer.start_span("in a thread").end())
        thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: tracer.start_span("in a pool").end()).result()
            assert pool.submit(lambda: note(rec)).result().span_id is not None
        late = ThreadPoolExecutor(1)
        late.submit(lambda: None).result()
    assert not late.submit(lambda: trace.get_current_span().get_span_context().is_valid).result()
    late.shutdown()
    workflow = finished(rec, "workflow")
    for name in ("in a thread", "in a pool"):
        assert (finished(rec, name).parent_span_id, finished(rec, name).run_id) == (workflow.span_id, run.id)


def test_tasks_keep_to_their_own_runs() -> None:
    rec = MemoryRecorder()
    tracer = provider_of(rec).get_tracer("t")

    async def agent(name: str, turn: asyncio.Event, other: asyncio.Event) -> None:
        with rec.run(name):
            turn.set()
            await other.wait()
            with tracer.start_as_current_span(f"call of {name}"):
                await asyncio.sleep(0)

    async def both() -> None:
        one, two = asyncio.Event(), asyncio.Event()
        await asyncio.gather(agent("a", one, two), agent("b", two, one))

    asyncio.run(both())
    runs = {event.name: event.run_id for event in rec.events if event.type == "run_started"}
    assert {name: finished(rec, f"call of {name}").run_id for name in "ab"} == runs


def test_a_run_that_is_left_in_another_context_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    rec = MemoryRecorder()
    provider_of(rec)

    async def pieces() -> AsyncIterator[int]:
        with rec.run("stream"):
            yield 1
            yield 2

    async def read() -> None:
        stream = pieces()
        await asyncio.create_task(anext(stream))  # type: ignore[arg-type]
        await stream.aclose()  # type: ignore[attr-defined]
        assert not trace.get_current_span().get_span_context().is_valid

    asyncio.run(read())
    assert caplog.records == []


def test_ids_that_opentelemetry_can_not_hold_still_name_the_run() -> None:
    rec = MemoryRecorder()
    tracer = provider_of(rec).get_tracer("t")
    with rec.run("agent", trace_id="mine") as run:
        tracer.start_span("call").end()
    call = finished(rec, "call")
    assert (call.run_id, call.parent_span_id) == (run.id, None)
    assert otel.get_current() == {}


def test_a_run_that_was_entered_before_the_two_met_takes_the_spans_too() -> None:
    rec = MemoryRecorder()
    with rec.run("early") as run:
        provider_of(rec).get_tracer("t").start_span("call").end()
    assert finished(rec, "call").run_id == run.id


def test_a_child_that_was_forked_records_as_a_producer_of_its_own(tmp_path: Path) -> None:
    rec = flightlog.open(tmp_path, drain=False)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor(rec))
    tracer = provider.get_tracer("t")
    with rec.run("parent") as run, tracer.start_as_current_span("forks"):
        if (pid := os.fork()) == 0:
            tracer.start_span("in the child").end()
            os._exit(0)
        os.waitpid(pid, 0)
    rec.close()
    sink = ListSink()
    drain_all(drain_of(tmp_path / "spool", sink))
    spans = {event.name: event for event in sink.events.values() if event.type == "span_finished"}
    child, parent = spans["in the child"], spans["forks"]
    assert (child.run_id, child.parent_span_id) == (run.id, parent.span_id)
    assert child.producer_id != parent.producer_id
    assert sink.lost() == {}

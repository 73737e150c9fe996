"""Tool calls: the decorator on functions of every kind, and the block."""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from flightlog.recorder.helpers import tool
from flightlog.testing import MemoryRecorder


def results(rec: MemoryRecorder) -> list[dict]:
    return rec.payloads("tool_result")


def test_a_decorated_function_records_its_call_and_result(rec, only):
    @rec.tool
    def search(query, *, limit=10):
        """Find things."""
        rec.clock.advance(seconds=1)
        return [query] * 2

    assert (search.__name__, search.__doc__) == ("search", "Find things.")
    assert list(inspect.signature(search).parameters) == ["query", "limit"]
    with rec.run("r") as run:
        assert search("x") == ["x", "x"]
    call, called = only("tool_call")
    result, gave = only("tool_result")
    assert called == {"tool": "search", "arguments": {"query": "x", "limit": 10}}
    assert gave == {"tool": "search", "result": ["x", "x"]}
    assert call.correlation_id == result.correlation_id
    assert call.run_id == result.run_id == run.id
    assert (result.name, result.status, result.level, result.duration_ns) == ("search", "ok", "info", 1_000_000_000)


def test_the_run_is_the_one_that_is_current_when_the_function_is_called(rec):
    @rec.tool("lookup")
    def find():
        return None

    with rec.run("first") as first:
        find()
    with rec.run("second") as second:
        find()
    find()
    calls = [event for event in rec.events if event.type == "tool_call"]
    assert [event.run_id for event in calls] == [first.id, second.id, None]
    assert {event.name for event in calls} == {"lookup"}
    assert results(rec)[0] == {"tool": "lookup", "result": None}


def test_the_decorator_without_a_recorder_records_in_the_current_run_and_outside_of_runs_just_calls(rec):
    @tool
    def plain(x):
        return x

    @tool("named")
    def other(x):
        return x

    assert (plain(1), other(2)) == (1, 2)
    assert rec.events == []
    with rec.run("r"):
        assert (plain(1), other(2)) == (1, 2)
    assert [payload["tool"] for payload in rec.payloads("tool_call")] == ["plain", "named"]


def test_self_and_cls_are_left_out(rec):
    class Shop:
        @rec.tool
        def method(self, a):
            return a

        @rec.tool
        @classmethod
        def of_class(cls, a):
            return cls, a

        @rec.tool
        @staticmethod
        def static(a):
            return a

    with rec.run("r"):
        shop = Shop()
        assert shop.method(1) == 1
        assert Shop.of_class(2) == (Shop, 2)
        assert shop.static(3) == 3
    assert [payload["arguments"] for payload in rec.payloads("tool_call")] == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_star_arguments_keep_their_names(rec):
    @rec.tool
    def many(first, *rest, key=None, **more):
        return None

    with rec.run("r"):
        many(1, 2, 3, key="k", extra=True)
    (call,) = rec.payloads("tool_call")
    assert call["arguments"] == {"first": 1, "rest": [2, 3], "key": "k", "more": {"extra": True}}


def test_the_functions_own_exception_goes_on_unchanged(rec, only):
    error = ValueError("no such file")

    @rec.tool
    def read(path):
        raise error

    with rec.run("r"):
        with pytest.raises(ValueError) as caught:
            read("a.py")
        assert caught.value is error
    result, gave = only("tool_result")
    assert (result.status, result.level) == ("error", "error")
    assert gave["error"]["kind"] == "ValueError"
    assert "result" not in gave


def test_a_call_with_wrong_arguments_raises_its_own_type_error_and_is_recorded(rec, only):
    @rec.tool
    def read(path):
        return path

    with rec.run("r"), pytest.raises(TypeError, match="unexpected keyword argument"):
        read(wrong=1)
    assert only("tool_call")[1]["arguments"] == {"args": [], "kwargs": {"wrong": 1}}
    assert only("tool_result")[0].status == "error"


def test_a_coroutine_function_stays_one(rec, only):
    @rec.tool
    async def fetch(url):
        await asyncio.sleep(0)
        return url

    assert inspect.iscoroutinefunction(fetch)

    async def main():
        with rec.run("r"):
            return await fetch("u")

    assert asyncio.run(main()) == "u"
    assert only("tool_result")[1] == {"tool": "fetch", "result": "u"}


def test_a_generator_stays_one_and_its_items_are_recorded(rec, only):
    @rec.tool
    def lines():
        got = yield "a"
        yield got
        return "end"

    assert inspect.isgeneratorfunction(lines)

    def outer():
        return (yield from lines())

    with rec.run("r"):
        running = outer()
        assert next(running) == "a"
        assert running.send("b") == "b"
        with pytest.raises(StopIteration) as stop:
            next(running)
        assert stop.value.value == "end"
    assert only("tool_result")[1] == {"tool": "lines", "result": "ab", "yielded": 2, "returned": "end"}


def test_exceptions_thrown_into_a_generator_reach_it(rec, only):
    @rec.tool
    def stubborn():
        try:
            yield 1
        except KeyError:
            yield 2

    with rec.run("r"):
        running = stubborn()
        next(running)
        assert running.throw(KeyError("k")) == 2
        assert list(running) == []
    assert only("tool_result")[1]["result"] == [1, 2]


def test_a_generator_that_is_closed_early_is_no_error_and_is_closed_itself(rec, only):
    closed = []

    @rec.tool
    def endless():
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    with rec.run("r"):
        running = endless()
        next(running)
        running.close()
    event, payload = only("tool_result")
    assert closed == [True]
    assert (event.status, payload["stopped_early"], payload["yielded"]) == ("ok", True, 1)


def test_only_the_first_hundred_items_of_a_generator_are_kept(rec, only):
    @rec.tool
    def count():
        yield from range(250)

    with rec.run("r"):
        assert list(count()) == list(range(250))
    payload = only("tool_result")[1]
    assert (payload["result"], payload["yielded"]) == (list(range(100)), 250)


def test_a_secret_that_a_generator_gives_piece_by_piece_is_redacted(rec):
    token = "ghp_Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z0Q7e"

    @rec.tool
    def read(before):
        yield before
        yield from token
        yield from itertools.repeat("x" * 999 + "\n", 70)

    with rec.run("r"):
        for length in (0, 64 * 1024 - 20):
            assert token in "".join(read("y" * length + "\n"))
    stored = b"".join(rec.memory.bodies).decode()
    assert "[REDACTED:github:" in stored
    for at in range(len(token) - 8):
        assert token[at : at + 8] not in stored


def test_texts_among_other_items_stay_items(rec):
    @rec.tool
    def mixed():
        yield from ["a"] * 150
        yield 1

    with rec.run("r"):
        list(mixed())
    (payload,) = results(rec)
    assert (payload["result"], payload["yielded"]) == (["a"] * 100, 151)


def test_an_async_generator_stays_one_with_everything_that_is_sent_into_it(rec, only):
    @rec.tool
    async def talk():
        got = yield "a"
        try:
            yield got
        except KeyError:
            yield "caught"

    assert inspect.isasyncgenfunction(talk)

    async def main():
        with rec.run("r"):
            running = talk()
            assert await anext(running) == "a"
            assert await running.asend("b") == "b"
            assert await running.athrow(KeyError("k")) == "caught"
            assert [item async for item in running] == []

    asyncio.run(main())
    assert only("tool_result")[1] == {"tool": "talk", "result": "abcaught", "yielded": 3}


def test_an_async_generator_that_raises_or_is_closed_is_recorded(rec):
    closed = []

    @rec.tool
    async def breaks():
        yield 1
        raise OSError("gone")

    @rec.tool
    async def endless():
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    async def main():
        with rec.run("r"):
            with pytest.raises(OSError, match="gone"):
                _ = [item async for item in breaks()]
            running = endless()
            await anext(running)
            await running.aclose()

    asyncio.run(main())
    assert closed == [True]
    events = [event for event in rec.events if event.type == "tool_result"]
    assert [(event.name, event.status) for event in events] == [("breaks", "error"), ("endless", "ok")]


def test_partials_and_objects_that_are_called_are_tools_too(rec):
    class Greeter:
        def __call__(self, name):
            return f"hello {name}"

    class Later:
        async def __call__(self, name):
            return name

    def add(a, b):
        return a + b

    greet, later, add_one = rec.tool(Greeter()), rec.tool("later")(Later()), rec.tool(functools.partial(add, 1))
    with rec.run("r"):
        assert greet("ann") == "hello ann"
        assert asyncio.run(later("bob")) == "bob"
        assert add_one(2) == 3
    assert [payload["tool"] for payload in rec.payloads("tool_call")] == ["Greeter", "later", "partial"]
    assert [payload["result"] for payload in results(rec)] == ["hello ann", "bob", 3]


def test_what_can_not_be_called_is_refused_where_it_is_decorated(rec):
    with pytest.raises(TypeError, match="a tool is a function, not int"):
        rec.tool(5)


def test_the_block_records_what_it_is_handed(rec, only):
    with rec.run("r") as run, run.tool_call("search", {"q": "x"}, call_id="call_1") as call:
        assert call.result({"hits": 3}) == {"hits": 3}
    assert only("tool_call")[1] == {"tool": "search", "arguments": {"q": "x"}, "call_id": "call_1"}
    assert only("tool_result")[1] == {"tool": "search", "call_id": "call_1", "result": {"hits": 3}}
    assert only("tool_call")[0].correlation_id == call.correlation_id


def test_a_block_without_a_result_or_with_odd_arguments_raises_nothing(rec):
    class Hostile:
        def __repr__(self):
            raise RuntimeError("no")

    with rec.run("r") as run:
        with run.tool_call("a", Hostile(), call_id=7):
            pass
        with run.tool_call(None) as call:
            call.result(Hostile())
    assert [event.status for event in rec.events if event.type == "tool_result"] == ["ok", "ok"]


def test_tools_in_executor_threads_belong_to_the_run_that_submitted_them(rec):
    @rec.tool
    def square(x):
        return x * x

    with ThreadPoolExecutor(4) as pool:
        with rec.run("first") as first:
            one = [pool.submit(square, x) for x in range(5)]
        with rec.run("second") as second:
            two = [pool.submit(square, x) for x in range(5)]
        assert [future.result() for future in one + two] == [0, 1, 4, 9, 16] * 2
    ids = [event.run_id for event in rec.events if event.type == "tool_result"]
    assert sorted(ids) == sorted([first.id] * 5 + [second.id] * 5)


def test_tools_in_nested_runs_and_spans_belong_to_the_innermost(rec):
    @rec.tool
    def mark():
        return None

    with rec.run("outer") as outer:
        with rec.run("inner") as inner, inner.span("step") as step:
            mark()
        mark()
    calls = [event for event in rec.events if event.type == "tool_call"]
    assert [(event.run_id, event.span_id) for event in calls] == [(inner.id, step.span_id), (outer.id, outer.span_id)]


def test_what_a_tool_changes_afterwards_is_not_what_was_recorded(rec, only):
    @rec.tool
    def fill(box):
        box.append(1)
        return box

    with rec.run("r"):
        box = []
        fill(box).append(2)
    assert only("tool_call")[1]["arguments"] == {"box": []}
    assert only("tool_result")[1]["result"] == [1]

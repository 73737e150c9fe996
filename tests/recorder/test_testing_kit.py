"""The kit for users' tests: finding events, the tree, and text that stays the same."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from flightlog.clock import SystemClock
from flightlog.ids import SystemIds
from flightlog.testing import MemoryRecorder, find, snapshot, tree

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "testing.md"


def work(recorder: MemoryRecorder) -> None:
    with recorder.run("mend", actor="a") as run:
        with run.span("outer"):
            run.note("one")
            with run.span("inner"):
                run.note("two", level="warn")
        run.note("three")
    try:
        with recorder.run("break"):
            raise ValueError("no till")
    except ValueError:
        pass


def test_the_examples_of_the_guide_run() -> None:
    codes = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), flags=re.DOTALL)
    assert len(codes) == 2
    exec(compile(codes[0], str(GUIDE), "exec"), {})


def test_find_looks_at_the_envelope_and_into_the_payload() -> None:
    rec = MemoryRecorder()
    work(rec)
    assert [one.payload["text"] for one in rec.find("note")] == ["one", "two", "three"]
    assert [one.payload["text"] for one in rec.find("note", level="warn")] == ["two"]
    assert len(rec.find(name="outer")) == 2
    assert len(rec.find()) == len(rec.events)
    assert find(rec.events, "note", payload={"text": "three"})[0].run_id == rec.events[0].run_id
    with pytest.raises(TypeError, match="no field 'txt'"):
        rec.find("note", txt="one")


def test_one_says_what_there_was_when_it_is_not_one() -> None:
    rec = MemoryRecorder()
    work(rec)
    assert rec.one("note", payload={"text": "two"}).level == "warn"
    with pytest.raises(AssertionError, match=r"3 events where one was expected \(note\)(.|\n)*\"two\""):
        rec.one("note")
    with pytest.raises(AssertionError, match=r"0 events(.|\n)*\"one\""):
        rec.one("note", payload={"text": "four"})


def test_the_tree_holds_spans_in_runs_and_events_in_spans() -> None:
    rec = MemoryRecorder()
    work(rec)
    mend, broken = tree(rec.events)
    assert [(node.kind, node.name) for node in mend.inside] == [("span", "outer"), ("event", "note")]
    assert [(node.kind, node.name) for node in mend.inside[0].inside] == [("event", "note"), ("span", "inner")]
    assert (mend.status, broken.status) == ("succeeded", "failed")


def test_a_snapshot_is_the_same_with_any_clock_and_ids() -> None:
    fixed, real = MemoryRecorder(), MemoryRecorder(clock=SystemClock(), ids=SystemIds())
    random.seed(7)
    for recorder in (fixed, real):
        work(recorder)
    assert fixed.snapshot() == real.snapshot()
    assert fixed.snapshot() == "\n".join(
        [
            "run mend: succeeded",
            "  span outer: ok",
            '    note {"text": "one"}',
            "    span inner: ok",
            '      note [warn] {"text": "two"}',
            '  note {"text": "three"}',
            'run break: failed {"error": {"kind": "ValueError", "message": "no till"}}',
        ]
    )
    assert snapshot(fixed.events, payloads=False).count("note") == 3
    assert "ValueError" not in fixed.snapshot(ignore=["kind"])


def test_a_run_that_goes_on_is_open_and_can_be_forgotten() -> None:
    rec = MemoryRecorder()
    rec.run("long").start()
    assert rec.snapshot() == "run long: open"
    rec.clear()
    assert rec.events == []

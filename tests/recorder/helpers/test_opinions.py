"""What somebody thinks of a call, a span or a run, as the helpers record it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flightlog.events.envelope import FLAG_INVALID, Event
from flightlog.testing import MemoryRecorder

Only = Callable[[str], tuple[Event, Any]]


def test_a_call_is_judged_through_itself_while_its_run_is_open_and_after(rec: MemoryRecorder) -> None:
    with rec.run("answer", run_id="r1"), rec.llm("small") as call:
        call.record("yes")
        call.feedback(value="up", given_by="user")
    call.feedback(value=0.4, name="faithful", given_by="model", key="judge")
    first, second = rec.payloads("feedback")
    assert call.generation_id == f"r1-{call.correlation_id}"
    assert first == {
        "target_id": call.generation_id, "target_type": "generation", "value": "up", "given_by": "user",
    }  # fmt: skip
    assert (second["target_id"], second["value"], second["name"], second["key"]) == (
        call.generation_id, 0.4, "faithful", "judge",
    )  # fmt: skip
    assert [event.flags & FLAG_INVALID for event in rec.events if event.type == "feedback"] == [0, 0]


def test_a_call_outside_any_run_has_an_id_too(rec: MemoryRecorder) -> None:
    with rec.llm("small") as call:
        call.record("yes")
    assert call.generation_id == call.correlation_id


def test_the_id_of_a_call_stays_that_of_its_own_run(rec: MemoryRecorder) -> None:
    with rec.run("first", run_id="r1"):
        call = rec.llm("small").start()
    with rec.run("second", run_id="r2"):
        assert call.generation_id.startswith("r1-")


def test_a_run_and_a_span_are_judged_by_themselves(rec: MemoryRecorder, only: Only) -> None:
    with rec.run("answer") as run, run.span("plan") as span:
        span.feedback(value=False)
    _, said = only("feedback")
    assert (said["target_id"], said["target_type"], said["value"]) == (span.span_id, "span", "down")
    rec.feedback(run, comment="took long")
    assert rec.payloads("feedback")[1] == {"target_id": run.id, "target_type": "run", "comment": "took long"}


def test_a_bare_id_is_enough(rec: MemoryRecorder, only: Only) -> None:
    rec.feedback("r1-abc", kind="correction", value={"answer": 42}, name="truth")
    event, said = only("feedback")
    assert said == {"target_id": "r1-abc", "kind": "correction", "value": {"answer": 42}, "name": "truth"}
    assert event.name == "truth"


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "score", "value": "good"},
        {"kind": "score", "value": float("nan")},
        {"kind": "thumb", "value": "sideways"},
        {"kind": "label", "value": 7},
        {"given_by": "nobody", "value": 1},
        {"key": "k" * 300, "value": 1},
        {},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_kept_and_flagged(said: dict[str, Any]) -> None:
    rec = MemoryRecorder(strict=False)
    assert rec.feedback("r1-abc", **said)
    (event,) = rec.events
    assert event.flags & FLAG_INVALID


def test_feedback_on_nothing_is_kept_and_flagged_and_does_not_raise() -> None:
    rec = MemoryRecorder(strict=False)
    rec.feedback(value="up")
    (event,) = rec.events
    assert event.flags & FLAG_INVALID


def test_an_object_that_can_not_be_read_does_not_raise() -> None:
    class Hostile:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError(name)

        def __str__(self) -> str:
            raise RuntimeError("str")

    rec = MemoryRecorder(strict=False)
    rec.feedback(Hostile(), value=Hostile(), name=Hostile())  # type: ignore[arg-type]
    assert [event.type for event in rec.events] == ["feedback"]

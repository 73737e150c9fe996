"""A small journal with something of everything in it, for tests that read it hot and archived."""

from __future__ import annotations

from pathlib import Path

import msgspec

from flightlog.config import Settings
from flightlog.events.envelope import Event
from flightlog.journal.filter import EventFilter
from flightlog.keeping import keeper_eraser, say_erased
from flightlog.wiring import Keeper, keeper_seal
from tests.contract.making import SECOND, START, event

DAY = 86_400 * SECOND
RUNS = ("r1", "r2", "r3", "r4")


def fill(folder: Path) -> int:
    """Record, seal and erase a little; how many events there are then."""
    keeper = Keeper(folder, Settings(), writable=True)
    try:
        made = everything()
        for start in range(0, len(made), 40):
            keeper.journal.append(made[start : start + 40])
        keeper_eraser(keeper).erase(
            EventFilter(run_id="r2", types=("note",)),
            selection={"run_id": "r2"},
            reason="asked for",
            say=say_erased(keeper, "ann"),
        )
        seal = keeper_seal(keeper)
        seal.start()
        seal.stop(timeout=60)
        assert seal.health().error is None
        with keeper.store.read() as connection:
            return int(connection.exec_driver_sql("SELECT last_id FROM journal_head").scalar_one())
    finally:
        keeper.close()


def everything() -> list[Event]:
    """Four runs that go on by turns, each with calls, tools, commands, tests, decisions and notes; and what is about them."""
    number = 0

    def one(type_: str, payload: object = None, /, **fields: object) -> Event:
        nonlocal number
        number += 1
        given = {
            "run_id": RUNS[number % 4],
            "project": "p2" if number % 4 == 3 else "default",
            "actor": f"a{number % 3}",
        }
        return event(number, type_, payload=payload, **{**given, **fields})

    made = [one("run_started", {"name": f"run {run}"}, run_id=run, trace_id=run, name=f"run {run}") for run in RUNS]
    for turn in range(24):
        for run in RUNS:
            fields: dict[str, object] = {"run_id": run, "project": "p2" if run == "r4" else "default", "trace_id": run}
            made += _turn(one, run, turn, fields)
    made.append(one("note", {"text": "of no run"}, run_id=None, trace_id="t-alone", task_id="T1", level="warn"))
    made += [one("run_finished", {"status": "succeeded"}, run_id=run, status="succeeded") for run in RUNS[:3]]
    for target in ("r1-c-r1-1", "s-r2-3", "r3", "not-there"):
        made.append(one("feedback", {"target_id": target, "kind": "thumb", "value": "up"}, run_id="r1", source="ui"))
    record = {"operation": "person.looked_up", "subject_type": "person", "subject_id": "p1"}
    made += [one("audit", record, run_id=run, source="server") for run in ("r1", "r2", "nobody-knows-it")]
    made.append(one("note", {"text": "from another day"}, created_at=START - 3 * DAY, run_id="r1"))
    return made


def _turn(one: object, run: str, turn: int, fields: dict[str, object]) -> list[Event]:
    assert callable(one)
    call, span = f"c-{run}-{turn}", f"s-{run}-{turn}"
    asked = {"model": "m1", "provider": "acme", "messages": [{"role": "user", "content": f"Question {turn}, Ärger?"}]}
    told = {"role": "assistant", "content": f"Answer {turn}", "tool_calls": [{"id": f"t-{call}", "name": "ls"}]}
    answer = {"model": f"m{turn % 3}", "provider": "acme", "message": told, "usage": {"input": 10 + turn, "output": 3}}
    level = "error" if turn % 7 == 6 else "info"
    made = [
        one("llm_request", asked, **fields, correlation_id=call, span_id=span, name="m1"),
        one(
            "llm_response", answer, **fields, correlation_id=call, span_id=span, name="m1", status="ok",
            duration_ns=turn * 1_000_000, parent_span_id=None if turn % 2 else f"s-{run}-0",
        ),
        one("tool_call", {"arguments": {"path": "/"}}, **fields, correlation_id=f"t-{call}", name="ls"),
        one(
            "tool_result", {"result": "x" * turn, "call_id": f"t-{call}"}, **fields, correlation_id=f"t-{call}",
            name="LS" if turn % 5 == 4 else "ls", status="error" if turn % 6 == 5 else "ok", duration_ns=5_000_000 + turn,
        ),
        one("note", {"text": f"needle number {turn}" if turn % 3 == 0 else "hay"}, **fields, level=level, source="agent"),
    ]  # fmt: skip
    if turn % 8 == 0:
        made += [
            one(
                "capability_decision",
                {"capability": "net", "decision": "denied"},
                **fields,
                status="denied",
                task_id="T1",
            ),
            one("degraded", {"reason": "spool_full", "count": 2}, **fields, level="warn"),
            one("error", {"message": "no such file"}, **fields, level="error", status="error"),
            one(
                "exec_result", {"command": "make", "exit_code": 1}, **fields, name="make", status="error", duration_ns=9
            ),
        ]
    assert all(isinstance(each.payload, msgspec.Raw) for each in made)
    return made

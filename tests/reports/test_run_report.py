"""The report as data: what it tells of a run, from where, and what it does not list."""

from __future__ import annotations

import msgspec
import pytest

from flightlog.api.app import Services
from flightlog.errors import RunNotFound
from flightlog.events.envelope import FLAG_IMPORTED, FLAG_REDACTED, FLAG_ROOT, FLAG_WITHHELD
from flightlog.reports.gather import COMMANDS_MAX, TOOLS_LOOKED_MAX
from tests.contract.making import event
from tests.reports.flights import ran, record, report_of, whole_flight


def test_it_tells_the_whole_flight_and_every_line_names_its_event(services: Services) -> None:
    record(services, *whole_flight())
    made = report_of(services)
    assert (made.name, made.status, made.verdict) == (
        "mend the till",
        "succeeded",
        "succeeded in 9.0 s, 1 test run failed on the way, 14 events lost",
    )
    assert made.asked is not None
    assert (made.asked.text.text, made.asked.facts) == (
        "it counts wrong",
        [("repo", "shop")],
    )
    assert made.outcome is not None
    assert made.outcome.facts == [("summary", "counts right")]
    assert [(one.command, one.tool, one.ended, one.event_id) for one in made.commands] == [
        ("pytest -q", None, "exit 1", "e000003"),
        ("ls -l", "bash", "ok", "e000007"),
    ]
    assert [(one.status, one.counts, one.event_id) for one in made.tests] == [
        ("failed", [("passed", 1), ("failed", 1)], "e000004"),
        ("passed", [("passed", 2)], "e000015"),
    ]
    assert [(one.name, one.message) for one in made.tests[0].failures] == [("test_till.py::test_sum", "assert 3 == 4")]
    [patch] = made.patches
    assert (patch.state, patch.event_id, patch.proposed_event_id, patch.added, patch.deleted) == (
        "applied", "e000011", "e000010", 1, 1
    )  # fmt: skip
    assert "+new" in patch.preview.text
    [decision] = made.decisions
    assert (decision.decision, decision.resource, decision.actor) == ("granted", "till.py", "agent-7")
    assert decision.facts == [("by rule", "inside"), ("because", "to mend")]
    assert [one.message for one in made.errors] == ["ValueError: no till"]
    assert [one.text.text for one in made.notes] == ["All green."]
    assert [(one.lost, one.text) for one in made.gaps] == [
        (14, "14 events lost here: disk full, since 2026-03-02T09:14:07Z")
    ]
    assert [(one.name, one.event_id) for one in (*made.models, *made.tools)] == [("m1", "e000005"), ("bash", "e000007")]
    assert (made.cost_usd, made.tokens["input"], made.totals["lost"], made.left_out) == (0.5, 10, 14, {})


def test_key_output_is_both_ends_with_what_was_not_recorded_between(services: Services) -> None:
    record(services, *whole_flight())
    output = report_of(services).commands[0].output
    assert output.text == "F.\n[… 888 B was not recorded …]\n1 failed\nstderr:\noh no"


def test_a_command_that_never_ended_is_told_as_that(services: Services) -> None:
    record(services, event(1, "exec_started", payload={"command": ["sleep", "9"]}, correlation_id="x"))
    [command] = report_of(services).commands
    assert (command.command, command.ended, command.ok, command.exit_code) == ("sleep 9", "did not end", False, None)


def test_a_command_with_its_start_is_told_once(services: Services) -> None:
    started = event(1, "exec_started", payload={"command": ["ls"]}, correlation_id="x")
    record(
        services,
        started,
        event(2, "exec_result", payload={"command": ["ls"], "signal": "SIGKILL"}, status="error", correlation_id="x"),
    )
    assert [(one.command, one.ended) for one in report_of(services).commands] == [("ls", "signal SIGKILL")]


def test_why_it_failed_is_the_first_error_and_the_tests_that_failed_last(services: Services) -> None:
    failing = [{"name": f"test_{number}"} for number in range(7)]
    record(
        services,
        event(1, "error", payload={"kind": "KeyError", "message": "first"}, level="error"),
        event(2, "error", payload={"message": "second"}, level="error"),
        event(3, "test_result", payload={"failed": 7, "failures": failing}, status="failed"),
        event(
            4,
            "run_finished",
            payload={"error": {"kind": "KeyError", "message": "first"}},
            status="failed",
            duration_ns=1,
        ),
    )
    made = report_of(services)
    assert made.verdict.endswith("KeyError: first")
    assert [(one.text, one.event_id) for one in made.because] == [
        ("first error: KeyError: first", "e000001"),
        ("the last tests failed: test_0, test_1, test_2, test_3, test_4 and 2 more", "e000003"),
    ]


def test_where_the_run_says_nothing_the_question_is_that_of_its_first_model_call(services: Services) -> None:
    asked = {
        "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "what is the weather?"}]
    }
    record(
        services,
        event(1, "llm_response", payload={"model": "m", "request": asked, "message": {"content": "rain"}}, name="m"),
        event(
            2,
            "span_finished",
            payload={"input": {"messages": [1]}, "otlp": {"name": "graph"}},
            flags=FLAG_ROOT,
            status="ok",
        ),
    )
    made = report_of(services)
    assert made.asked is not None
    assert made.outcome is not None
    assert (made.asked.text.text, made.asked.event_id, made.asked.by) == (
        "what is the weather?",
        "e000001",
        "its first model call",
    )
    assert (made.outcome.text.text, made.outcome.by) == ("rain", "the model's last answer")


def test_an_edit_by_a_tool_is_no_command(services: Services) -> None:
    arguments = {"command": "str_replace", "path": "till.py"}
    record(
        services,
        event(1, "tool_result", payload={"tool": "editor", "arguments": arguments, "result": "ok"}, name="editor"),
    )
    made = report_of(services)
    assert (made.commands, made.totals["tool_calls"]) == ([], 1)


def test_too_many_commands_are_counted_and_those_that_failed_are_kept(services: Services) -> None:
    record(services, *(ran(number, 0) for number in range(1, COMMANDS_MAX + 6)), ran(COMMANDS_MAX + 6, 3))
    made = report_of(services)
    assert len(made.commands) == COMMANDS_MAX
    assert made.commands[-1].exit_code == 3
    assert (made.left_out, made.totals["commands"], made.totals["commands_failed"]) == (
        {"commands": 6},
        COMMANDS_MAX + 6,
        1,
    )


def test_exactly_as_many_commands_as_are_listed_leave_nothing_out(services: Services) -> None:
    record(services, *(ran(number, 0) for number in range(1, COMMANDS_MAX + 1)))
    assert report_of(services).left_out == {}


def test_tool_calls_that_were_not_looked_at_are_counted(services: Services) -> None:
    some = TOOLS_LOOKED_MAX + 3
    record(services, *(event(number, "tool_result", payload={"tool": "t"}, name="t") for number in range(1, some + 1)))
    assert report_of(services).left_out == {"tool_calls_not_looked_at": 3}


def test_what_was_done_to_payloads_is_told_with_its_first_events(services: Services) -> None:
    record(
        services,
        *(event(number, flags=FLAG_REDACTED) for number in range(1, 8)),
        event(8, flags=FLAG_WITHHELD | FLAG_IMPORTED),
    )
    told = {one.what: (one.count, one.examples) for one in report_of(services).care}
    assert told == {
        "redacted": (7, [f"e{number:06d}" for number in range(1, 6)]),
        "withheld": (1, ["e000008"]),
        "imported": (1, ["e000008"]),
    }


def test_the_seal_says_how_much_of_the_run_is_under_the_checkpoint(services: Services) -> None:
    record(services, *whole_flight())
    assert [
        (report_of(services, signed).seal.covered, report_of(services, signed).seal.events) for signed in (0, 10, 16)
    ] == [
        (0, 16),
        (10, 16),
        (16, 16),
    ]


def test_an_empty_run_has_a_report(services: Services) -> None:
    record(services, event(1, "run_started", payload={"name": ""}))
    made = report_of(services)
    assert (made.status, made.asked, made.outcome, made.commands, made.totals["events"]) == ("hung", None, None, [], 1)


def test_an_unknown_run_has_none(services: Services) -> None:
    with pytest.raises(RunNotFound):
        report_of(services)


def test_it_can_be_read_back_as_data(services: Services) -> None:
    record(services, *whole_flight())
    data = msgspec.json.decode(msgspec.json.encode(report_of(services)))
    assert data["commands"][0]["exit_code"] == 1
    assert (data["seal"]["signed_id"], data["seal"]["covered"], data["seal"]["last_id"]) == (0, 0, 16)

"""An exception as data."""

from __future__ import annotations

from typing import Any

import pytest

from flightlog.events.payload import describe_error, encode_payload
from flightlog.events.payload.faults import STACK_CHARS_MAX
from tests.events import nasty
from tests.events.strict import read_object


def caught(fail: Any) -> BaseException:
    try:
        fail()
    except BaseException as error:
        return error
    raise AssertionError("it did not fail")


def fail(message: str = "no such file") -> None:
    raise ValueError(message)


def test_kind_message_and_stack() -> None:
    fault = describe_error(caught(fail))
    assert (fault["kind"], fault["message"]) == ("ValueError", "no such file")
    assert fault["stack"].startswith("Traceback (most recent call last):\n")
    assert "in fail\n    raise ValueError(message)" in fault["stack"]
    assert fault["stack"].endswith("ValueError: no such file\n")
    assert set(fault) == {"kind", "message", "stack"}


def test_an_error_that_was_never_raised_has_no_frames() -> None:
    assert describe_error(KeyError("k")) == {"kind": "KeyError", "message": "'k'", "stack": "KeyError: 'k'\n"}
    assert describe_error(KeyboardInterrupt())["stack"] == "KeyboardInterrupt\n"


def test_causes_are_told_nearest_first_and_printed_as_python_does() -> None:
    def chained() -> None:
        try:
            try:
                fail("first")
            except ValueError as error:
                raise KeyError("second") from error
        except KeyError:
            fail("third")

    fault = describe_error(caught(chained))
    assert [(cause["kind"], cause["relation"]) for cause in fault["causes"]] == [
        ("KeyError", "context"),
        ("ValueError", "cause"),
    ]
    stack = fault["stack"]
    assert stack.index("ValueError: first") < stack.index("direct cause") < stack.index("KeyError: 'second'")
    assert (
        stack.index("KeyError: 'second'") < stack.index("another exception occurred") < stack.index("ValueError: third")
    )


def test_a_suppressed_context_stays_away() -> None:
    def suppressed() -> None:
        try:
            fail("hidden")
        except ValueError:
            raise KeyError("shown") from None

    fault = describe_error(caught(suppressed))
    assert "hidden" not in str(fault)


def test_errors_that_cause_each_other_end() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert [cause["message"] for cause in describe_error(one)["causes"]] == ["two"]


def test_a_long_chain_is_cut() -> None:
    error: BaseException = ValueError("0")
    for number in range(1, 5_000):
        later = ValueError(str(number))
        later.__cause__ = error
        error = later
    assert [cause["message"] for cause in describe_error(error)["causes"]][:2] == ["4998", "4997"]
    assert len(describe_error(error)["causes"]) < 20


def test_a_group_tells_its_members_with_their_stacks_and_causes() -> None:
    def member() -> None:
        try:
            fail("root")
        except ValueError as error:
            raise KeyError("k") from error

    fault = describe_error(
        ExceptionGroup("many", [caught(fail), caught(member), ExceptionGroup("inner", [OSError("deep")])])
    )
    assert [error["kind"] for error in fault["errors"]] == ["ValueError", "KeyError", "ExceptionGroup"]
    for part in (
        "ExceptionGroup: many (3 sub-exceptions)",
        "ValueError: no such file",
        "ValueError: root",
        "OSError: deep",
    ):
        assert part in fault["stack"]


def test_groups_of_groups_without_end_are_cut() -> None:
    group = ExceptionGroup("g", [caught(fail)] * 50)
    for _ in range(20):
        group = ExceptionGroup("g", [group] * 50)
    assert len(describe_error(group)["stack"]) <= STACK_CHARS_MAX


def test_notes_are_part_of_the_stack() -> None:
    error = ValueError("x")
    error.add_note("while reading a.txt")
    assert describe_error(error)["stack"] == "ValueError: x\nwhile reading a.txt\n"


def test_a_deep_recursion_fits() -> None:
    def recurse() -> None:
        recurse()

    fault = describe_error(caught(recurse))
    assert fault["kind"] == "RecursionError"
    assert "more times]" in fault["stack"]
    assert len(fault["stack"]) <= STACK_CHARS_MAX


@pytest.mark.parametrize("chars_max", [100, 500, 2_000, STACK_CHARS_MAX])
def test_a_long_stack_is_cut_in_whole_parts_and_keeps_its_end(chars_max: int) -> None:
    def many(number: int) -> None:
        try:
            many(number - 1) if number else fail("x" * 60)
        except ValueError as error:
            raise ValueError(f"{number} " + "y" * 160) from error

    error = caught(lambda: many(14))
    whole = describe_error(error, stack_chars_max=10**9)["stack"].splitlines()
    cut = describe_error(error, stack_chars_max=chars_max)["stack"]
    assert len(cut) <= chars_max < len("\n".join(whole))
    assert all(line in whole or "left out]" in line for line in cut.splitlines())
    assert "left out]" in cut


def test_a_long_message_is_whole_and_does_not_push_the_frames_out_of_the_stack() -> None:
    secret = "-----BEGIN PRIVATE KEY-----\n" + "MIIE" * 5_000 + "\n-----END PRIVATE KEY-----"
    fault = describe_error(caught(lambda: fail(secret)))
    assert fault["message"] == secret
    assert "in fail" in fault["stack"]
    assert "MIIE" not in fault["stack"]


@pytest.mark.parametrize(
    "thing", ["text", None, 5, object(), nasty.ReprRaises(), nasty.ErrorUnprintable(), nasty.ErrorLying(), ValueError]
)
def test_anything_can_be_described(thing: Any) -> None:
    fault = describe_error(thing)
    assert isinstance(fault["kind"], str)
    assert isinstance(fault["message"], str)
    read_object(encode_payload(fault).data)


def test_an_error_whose_message_is_half_a_surrogate_pair_is_encoded() -> None:
    assert read_object(encode_payload({"error": ValueError("\ud800")}).data)["error"]["message"] == "\\ud800"

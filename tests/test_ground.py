"""The ground floor: errors, clock, ids, settings."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog import errors
from flightlog.clock import FakeClock, format_ns, parse_ns
from flightlog.config import Settings
from flightlog.ids import SequentialIds, SystemIds, uuid7


def tree(cls: type[errors.FlightlogError] = errors.FlightlogError) -> list[type[errors.FlightlogError]]:
    return [cls, *(found for child in cls.__subclasses__() for found in tree(child))]


def test_an_errors_message_is_its_docstring_with_the_facts_filled_in() -> None:
    error = errors.EventTypeUnknown(type="reindexed")
    assert str(error) == (
        "The event type 'reindexed' is not built in; use a built-in type or a namespaced one such as 'acme.reindexed'."
    )


def test_a_missing_fact_stays_visible_instead_of_hiding_the_error() -> None:
    assert "{limit}" in str(errors.BodyTooLarge())


def test_every_error_has_a_message_of_its_own_that_ends_like_a_sentence() -> None:
    for cls in tree():
        assert cls.__doc__, cls
        assert str(cls()).endswith((".", ")")), cls


def test_every_error_stands_in_the_tree_that_is_drawn_at_the_top() -> None:
    drawn = re.findall(r"[├└│ ─]*([A-Z]\w+)", (errors.__doc__ or "").split("The docstring")[0])
    defined = [
        name
        for name, thing in vars(errors).items()
        if isinstance(thing, type) and issubclass(thing, errors.FlightlogError)
    ]
    assert sorted(set(drawn) & set(defined)) == sorted(defined)


@given(st.integers(0, 4102444800 * 10**9))
def test_a_time_survives_its_text_to_the_nanosecond(ns: int) -> None:
    assert parse_ns(format_ns(ns)) == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T01:00:00.5+01:00", 5 * 10**8),
        ("1970-01-01 00:00:00.123456789123", 123456789),
        ("1970-01-02", 86400 * 10**9),
        ("42", 42),
    ],
)
def test_times_are_read_as_people_write_them(text: str, ns: int) -> None:
    assert parse_ns(text) == ns


@pytest.mark.parametrize("text", ["", "yesterday", "2023-13-01T00:00:00Z", "1.5"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_ns(text)


def test_a_fake_clock_moves_only_when_told() -> None:
    clock = FakeClock(0)
    clock.advance(seconds=1)
    clock.jump(-10)
    assert (clock.now_ns(), clock.monotonic_ns()) == (-9 * 10**9, 10**9)


@given(st.integers(0, 2**48 * 10**6 - 1))
def test_ids_are_version_7_and_carry_their_time(ns: int) -> None:
    made = uuid.UUID(uuid7(ns))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == ns // 10**6


def test_ids_of_one_process_sort_by_time() -> None:
    ids = [uuid7(1_700_000_000_000_000_000 + step * 1_000) for step in range(5_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 5_000


def test_event_ids_are_version_7_sort_as_they_were_made_and_never_repeat() -> None:
    event_id = SystemIds().event_id
    ids = [event_id(1_700_000_000_000_000_000 + step * 400_000) for step in range(5_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 5_000
    assert {(uuid.UUID(made).version, uuid.UUID(made).variant) for made in ids} == {(7, uuid.RFC_4122)}
    assert uuid.UUID(ids[0]).int >> 80 == 1_700_000_000_000


def test_a_forked_child_makes_ids_of_its_own() -> None:
    event_id = SystemIds().event_id
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, event_id(0).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 64).decode()[14:] != event_id(0)[14:]


def test_trace_and_span_ids_are_w3c() -> None:
    ids = SystemIds()
    assert re.fullmatch("[0-9a-f]{32}", ids.trace_id())
    assert re.fullmatch("[0-9a-f]{16}", ids.span_id())


def test_sequential_ids_are_the_same_in_every_run() -> None:
    assert SequentialIds().event_id(7) == SequentialIds().event_id(7)


def test_a_setting_is_taken_from_the_call_then_the_environment_then_the_file(tmp_path: Path) -> None:
    (tmp_path / "flightlog.toml").write_text("payload_bytes_max = 1\nhung_seconds = 2\nproject = 'file'\n")
    environ = {"FLIGHTLOG_HUNG_SECONDS": "3", "FLIGHTLOG_PROJECT": "environment", "FLIGHTLOG_REDACT_KEYS": "a, b"}
    settings = Settings.load(tmp_path, environ, project="call")
    assert (settings.payload_bytes_max, settings.hung_seconds, settings.project) == (1, 3.0, "call")
    assert settings.redact_keys == ("a", "b")


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"FLIGHTLOG_PAYLOAD_BYTES_MAX": "many"}, "payload_bytes_max"),
        ({"FLIGHTLOG_PAYLOAD_BYTES_MAX": "-1"}, "negative"),
        ({"FLIGHTLOG_TASK_UNITS_MAX": str(2**63)}, "64 bits"),
        ({"FLIGHTLOG_SQLITE_SYNCHRONOUS": "OFF"}, "NORMAL or FULL"),
    ],
)
def test_a_setting_that_can_not_be_is_refused_by_name(environ: dict[str, str], word: str) -> None:
    with pytest.raises(errors.SettingInvalid, match=word):
        Settings.load(None, environ)


def test_a_misspelt_setting_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flightlog.toml").write_text("payload_byte_max = 1\n")
    with pytest.raises(errors.SettingInvalid, match="no such setting"):
        Settings.load(tmp_path, {})


def test_a_broken_settings_file_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "flightlog.toml").write_text("= nonsense")
    with pytest.raises(errors.SettingInvalid, match=r"flightlog\.toml"):
        Settings.load(tmp_path, {})

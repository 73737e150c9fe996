"""Thousands of payloads, each as bad as can be made up: every one is valid JSON, none raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flightlog.events.envelope import FLAG_TRUNCATED
from flightlog.events.payload import encode_any, encode_payload, is_plain
from flightlog.events.payload.walk import Walk
from tests.events.payloads import payloads, plain
from tests.events.strict import read, read_object

MANY = settings(max_examples=10_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
FEWER = settings(MANY, max_examples=1_500)
SOME = settings(max_examples=500, deadline=None, database=None)


@FEWER
@given(payloads)
def test_every_payload_is_a_json_object_that_every_reader_takes(payload: Any) -> None:
    is_an_object_for_every_reader(payload)


@pytest.mark.torture
@MANY
@given(payloads)
def test_ten_thousand_payloads_are_json_objects_that_every_reader_takes(payload: Any) -> None:
    is_an_object_for_every_reader(payload)


def is_an_object_for_every_reader(payload: Any) -> None:
    encoded = encode_payload(payload)
    read_object(encoded.data)
    assert encoded.flags == 0


@SOME
@given(payloads, st.integers(-1, 5), st.integers(0, 3))
def test_limits_hold_and_cuts_are_flagged(payload: Any, depth_max: int, items_max: int) -> None:
    encoded = encode_payload(payload, depth_max=depth_max, items_max=items_max)
    read_object(encoded.data)
    left_out = b"left out" in encoded.data or b"[too deep: " in encoded.data
    assert encoded.flags in (0, FLAG_TRUNCATED)
    assert left_out or not encoded.flags


@SOME
@given(payloads)
def test_any_value_alone_is_json(value: Any) -> None:
    read(encode_any(value))


@SOME
@given(plain)
def test_plain_payloads_come_back_as_they_were_and_the_careful_way_writes_the_same(value: Any) -> None:
    encoded = encode_payload(value)
    if value is not None:
        assert read_object(encoded.data) == (value if type(value) is dict else {"value": value})
    if type(value) is dict:
        assert is_plain(value)
        walk = Walk(32, None)
        walk._trials_left = 0
        assert walk.write(value) == encoded.data

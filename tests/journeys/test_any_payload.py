"""Thousands of payloads of any kind through emit and out over HTTP: each is valid JSON, and none made anything raise."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import flightlog
from flightlog.config import Settings
from tests.journeys.served import serve


class Hostile:
    """An object that breaks whoever looks at it."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __iter__(self) -> Any:
        raise RuntimeError("no")


def cycle() -> dict[str, Any]:
    value: dict[str, Any] = {"a": 1}
    value["self"] = value
    return value


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(5_000):
        value = [value]
    return value


texts = st.text(st.characters(codec=None, categories=None), max_size=30)
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**200), 2**200), st.floats(), texts, st.binary(max_size=20),
    st.datetimes(), st.timedeltas(), st.decimals(), st.uuids(), st.complex_numbers(), st.builds(Hostile), st.builds(cycle),
    st.builds(deep), st.sampled_from([Hostile, len, ..., ValueError("x"), Path("/a"), datetime.date(2, 1, 1), {1, "a"}]),
    st.sampled_from([decimal.Decimal("sNaN"), uuid.UUID(int=0), range(3), b"\xff", memoryview(b"ab"), frozenset([b"x"])]),
)  # fmt: skip
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4), st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.integers(), st.none(), st.booleans(), texts), inner, max_size=3),
    ),
    max_leaves=6,
)  # fmt: skip


def refuse_constants(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


@pytest.mark.parametrize(
    "payloads", [pytest.param(1_000, id="sample"), pytest.param(10_000, id="campaign", marks=pytest.mark.torture)]
)
def test_thousands_of_payloads_are_valid_json_on_the_other_side(payloads: int, tmp_path: Path) -> None:
    sent = []
    with (
        serve(tmp_path) as served,
        flightlog.open(tmp_path, drain=False, settings=Settings(payload_bytes_max=2_000)) as rec,
    ):
        with rec.run("fuzz") as run:

            @settings(
                max_examples=payloads, phases=[Phase.generate], database=None, deadline=None,
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(anything)
            def emit(payload: object) -> None:
                sent.append(run.emit("acme.anything", payload))

            emit()
        assert len(sent) >= payloads
        assert all(sent)
        assert rec.flush(timeout=60)
        assert rec.health().dropped_total == 0
        seen, after = [], 0
        while True:
            answer = httpx.get(
                f"{served.url}/api/runs/{run.id}/events",
                params={"afterId": after, "limit": 1000, "types": "acme.anything"},
                timeout=30,
            )
            page = json.loads(answer.content.decode("utf-8", "strict"), parse_constant=refuse_constants)
            if not page["events"]:
                break
            seen += [event["event_id"] for event in page["events"] if isinstance(event["payload"], dict)]
            after = page["nextAfterId"]
    assert seen == sent

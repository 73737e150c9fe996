"""A call is read the same whether its payload holds what it should, which is the quick way, or not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flightlog.events.envelope import StoredEvent
from flightlog.runs import calls
from flightlog.runs.calls import read_call
from flightlog.runs.generation_fold import row_of_span, state_of_call
from tests.ingest.otlp.mapped import sample_events

TEXT = st.one_of(st.text(max_size=6), st.sampled_from(["x" * 300, " a  b ", "a\nb", "", "gpt-4o"]))
NUMBER = st.one_of(st.integers(-1, 5), st.just(2**63), st.floats(allow_nan=False, allow_infinity=False))
ODD = st.one_of(st.none(), st.booleans(), NUMBER, TEXT, st.lists(TEXT, max_size=2))
PARTS = st.lists(st.fixed_dictionaries({"type": st.sampled_from(["text", "reasoning"]), "text": TEXT}), max_size=2)
TOOL_CALLS = st.lists(st.fixed_dictionaries({"name": TEXT, "arguments": ODD}), max_size=2)
MESSAGE = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"])}, optional={
    "content": st.one_of(TEXT, PARTS), "tool_calls": TOOL_CALLS,
})  # fmt: skip
REQUEST = {
    "model": TEXT, "messages": st.lists(MESSAGE, max_size=3), "input": TEXT, "parameters": st.fixed_dictionaries({"stream": ODD}),
}  # fmt: skip
COUNTS = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens")
SOUND: dict[str, st.SearchStrategy[Any]] = {
    "model": TEXT, "provider": TEXT, "operation": TEXT, "message": MESSAGE, "choices": st.lists(MESSAGE, max_size=2),
    "request": st.fixed_dictionaries({}, optional=REQUEST), "finish_reasons": st.lists(TEXT, max_size=2),
    "usage": st.fixed_dictionaries({}, optional=dict.fromkeys(COUNTS, st.integers(0, 5))), "cost_usd": NUMBER,
    "time_to_first_chunk_ns": st.integers(0, 9), "streamed": st.booleans(),
    "error": st.fixed_dictionaries({}, optional={"kind": TEXT, "message": TEXT}),
}  # fmt: skip
PAYLOADS = st.fixed_dictionaries(
    {"otlp": st.fixed_dictionaries({"resource": TEXT}, optional={"name": TEXT})},
    optional={key: st.one_of(sound, sound, sound, ODD) for key, sound in SOUND.items()},
)


@given(PAYLOADS, st.one_of(st.none(), TEXT), st.sampled_from(["ok", "error", None]))
@example({"otlp": {}, "finish_reasons": [""], "error": {}}, None, "ok")
def test_the_quick_way_reads_what_the_other_reads(
    payload: dict[str, Any], name: str | None, status: str | None
) -> None:
    try:
        data = msgspec.Raw(msgspec.json.encode(payload))
    except UnicodeEncodeError:
        return
    event = StoredEvent(
        id=9, event_id="e", type="llm_response", created_at=5, run_id="r", span_id="s", name=name, status=status, payload=data,
        project="p", trace_id="t", parent_span_id="u", task_id="k", actor="a", source="c", duration_ns=3,
    )  # fmt: skip
    call = read_call(event)
    assert call == calls._read_any(event)
    assert call == read_call(event, payload), "from objects"
    call.covered = status is None
    assert row_of_span(call) == msgspec.structs.astuple(state_of_call(call))


@pytest.mark.parametrize("dialect", ["genai", "openinference", "openllmetry"])
def test_calls_of_replays_are_read_the_quick_way(dialect: str) -> None:
    found = 0
    for sent in sample_events(dialect, "traces"):
        if sent.type == "llm_response":
            event = StoredEvent(**msgspec.structs.asdict(sent))
            assert calls._read_span(event, calls._spans.decode(event.payload)) == calls._read_any(event)
            found += 1
    assert found

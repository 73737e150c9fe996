"""A run added up: sums are what one gets by counting, whatever the payloads hold."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from flightlog.config import Settings
from flightlog.journal.append import Journal
from flightlog.runs import rollup as room
from flightlog.runs.project import RunProjector
from flightlog.runs.rollup import ErrorLine, Patches, Rollup, rollup
from flightlog.runs.summary import get_run
from flightlog.store.engine import open_store
from tests.contract.making import event


def added_up(events: list[Any], **chosen: Any) -> Rollup:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(**chosen)
        store = open_store(Path(folder), settings=settings, writable=True)
        try:
            Journal(store, [RunProjector()]).append(events)
            return rollup(store, get_run(store, "r1"), settings=settings)
        finally:
            store.close()


calls = st.tuples(
    st.sampled_from(["tool_result", "exec_result", "llm_response"]),
    st.sampled_from(["a", "b", None]),
    st.sampled_from(["ok", "error", None]),
    st.one_of(st.none(), st.integers(0, 10**12)),
    st.integers(0, 10**6),
)


@checks(max_examples=25, deadline=None)
@given(st.lists(calls, min_size=1, max_size=25))
def test_sums_are_what_one_gets_by_counting(made: list[Any]) -> None:
    found = added_up(
        [
            event(n, type_, name=name, status=status, duration_ns=took, payload={"usage": {"input_tokens": tokens}})
            for n, (type_, name, status, took, tokens) in enumerate(made, 1)
        ],
        page_events_max=3,
        page_events_default=3,
    )
    for type_, groups in (
        ("tool_result", found.tools),
        ("exec_result", found.commands),
        ("llm_response", found.models),
    ):
        mine = [call for call in made if call[0] == type_]
        assert {group.name: group.calls for group in groups} == Counter(call[1] or "" for call in mine)
        assert sum(group.errors for group in groups) == sum(call[2] == "error" for call in mine)
        assert sum(group.duration_ns_total for group in groups) == sum(call[3] or 0 for call in mine)
        for group in groups:
            took = sorted(call[3] for call in mine if (call[1] or "") == group.name and call[3] is not None)
            assert (group.duration_ns_p50 is None) == (not took)
            if took:
                assert group.duration_ns_p50 in took
                assert sum(value <= (group.duration_ns_p95 or 0) for value in took) >= 0.95 * len(took)
    wanted = sum(call[4] for call in made if call[0] == "llm_response")
    assert sum(group.tokens_input for group in found.models) == wanted


plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5)
anything = st.recursive(
    plain | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["path", "added", "message"]), inner),
    max_leaves=6,
)
FIELDS = [*room._Payload.__struct_fields__]


@checks(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["llm_response", "test_result", "patch_applied", "error"]),
            st.dictionaries(st.sampled_from(FIELDS), anything) | anything,
        ),
        min_size=1,
        max_size=8,
    )
)
def test_no_payload_breaks_it(made: list[Any]) -> None:
    found = added_up([event(n, type_, payload=payload) for n, (type_, payload) in enumerate(made, 1)])
    types = Counter(type_ for type_, _ in made)
    assert sum(group.calls for group in found.models) == types["llm_response"]
    assert (found.tests.runs, found.patches.applied, len(found.errors)) == (
        types["test_result"],
        types["patch_applied"],
        types["error"],
    )


def test_tests_patches_decisions_and_the_first_errors() -> None:
    files = [{"path": "a.py", "added": 3, "deleted": 1}, {"path": "b.py", "added": 1}]
    found = added_up(
        [
            event(1, "test_result", status="failed", payload={"passed": 3, "failed": 2, "skipped": 1}),
            event(2, "patch_applied", status="ok", payload={"files": files}),
            event(3, "patch_applied", status="ok", payload={"files": files[:1], "added": 5, "deleted": 0}),
            event(4, "patch_applied", status="error", payload={"files": files, "added": 9}),
            event(5, "capability_decision", status="granted"),
            event(6, "capability_decision", status="requested"),
            event(7, "capability_decision", status="denied"),
            event(8, "note", run_id="r2", level="error"),
            event(9, "error", payload={"kind": "ValueError", "message": "no"}, level="error"),
            event(10, "tool_result", name="ls", level="error", payload={"error": {"message": "gone"}}),
            *(event(n, "error", payload={"message": str(n)}) for n in range(11, 40)),
        ]
    )
    assert (found.tests.runs, found.tests.runs_failed, found.tests.passed, found.tests.failed) == (1, 1, 3, 2)
    assert found.patches == Patches(applied=2, failed=1, files=2, added=9, deleted=1)
    assert (found.decisions.granted, found.decisions.denied) == (1, 1)
    assert found.errors[:2] == [ErrorLine(9, "error", "ValueError", "no"), ErrorLine(10, "tool_result", "ls", "gone")]
    assert [line.id for line in found.errors] == list(range(9, 29))


def test_of_very_many_commands_the_longest_are_kept_and_the_rest_is_counted() -> None:
    many = room.GROUPS_MAX + 7
    found = added_up([event(n, "exec_result", name=f"c{n}", duration_ns=n) for n in range(1, many + 1)])
    assert [group.name for group in found.commands[:2]] == [f"c{many}", f"c{many - 1}"]
    assert (len(found.commands), found.left_out["commands"]) == (room.GROUPS_MAX, 7)

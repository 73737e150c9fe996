"""Audit records: kept whatever they name, waiting for a run or task that is not there, adopted once, in any order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from flightlog.audit.filter import AuditFilter
from flightlog.audit.listing import (
    Audit,
    count_decisions,
    count_orphans,
    get_audit,
    get_audit_detail,
    list_audits,
)
from flightlog.audit.project import AuditProjector
from flightlog.audit.table import audits
from flightlog.errors import AuditNotFound, CursorInvalid, FilterInvalid, LimitInvalid
from flightlog.events.envelope import Event
from flightlog.journal.append import Journal
from flightlog.journal.condition import Condition
from flightlog.runs.project import RunProjector
from flightlog.store.contract import Store
from tests.contract.backends import Backend, SqliteBackend
from tests.contract.making import SECOND, START, event


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store, [RunProjector(), AuditProjector()])


def audit(number: int, run: str | None = "r1", task: str | None = None, **said: Any) -> Event:
    """Audit record number `number`."""
    fields = {name: said.pop(name) for name in ("actor", "level", "created_at", "name", "project") if name in said}
    payload = {"operation": "repo.push", **said}
    return event(number, "audit", payload=payload, run_id=run, task_id=task, **fields)


def decided(number: int, decision: str = "granted", capability: str = "fs.write", **said: Any) -> Event:
    """A decision on a permission."""
    fields: dict[str, Any] = {
        name: said.pop(name) for name in ("run_id", "correlation_id", "created_at") if name in said
    }
    payload = {"capability": capability, "decision": decision, **said}
    fields = {"run_id": None, "status": decision, **fields}
    return event(number, "capability_decision", payload=payload, **fields)


def one(store: Store) -> Audit:
    (found,) = list_audits(store).audits
    return found


def ids(store: Store, **wanted: Any) -> list[str]:
    return [each.event_id for each in list_audits(store, AuditFilter(**wanted)).audits]


# ── what a record says ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_has_its_subject_actor_operation_and_outcome(store: Store, journal: Journal) -> None:
    said = {"subject_type": "repo", "subject_id": "acme/shop", "outcome": "refused", "actor": "ann", "level": "warn"}
    journal.append([event(1), audit(2, **said)])
    found = one(store)
    assert (found.id, found.event_id, found.created_at) == (2, "e000002", START + 2 * SECOND)
    assert (found.type, found.level, found.actor, found.operation, found.status) == (
        "audit", "warn", "ann", "repo.push", "refused",
    )  # fmt: skip
    assert (found.subject_type, found.subject_id, found.run_id, found.orphan) == ("repo", "acme/shop", "r1", "known")


def test_a_decision_has_its_rule_approver_end_and_digest(store: Store, journal: Journal) -> None:
    said = {
        "resource": "shop/login.py", "rule": "edits", "approver": "ann", "reason": "small", "action_digest": "sha256:0",
        "expires_at": "2026-03-02T10:14:47Z",
    }  # fmt: skip
    journal.append([decided(1, **said)])
    found = one(store)
    assert (found.capability, found.operation, found.decision, found.status) == (
        "fs.write", "fs.write", "granted", "granted",
    )  # fmt: skip
    assert (found.rule, found.approver, found.reason, found.action_digest) == ("edits", "ann", "small", "sha256:0")
    assert (found.subject_type, found.subject_id, found.expires_at) == (
        "resource", "shop/login.py", 1_772_446_487 * SECOND,
    )  # fmt: skip


def test_a_record_without_a_subject_is_about_its_task_else_its_run(store: Store, journal: Journal) -> None:
    journal.append([audit(1, "r1", "t1"), audit(2, "r1"), audit(3, None)])
    assert [(each.subject_type, each.subject_id) for each in list_audits(store).audits] == [
        (None, None), ("run", "r1"), ("task", "t1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "payload",
    [{}, {"operation": 5}, {"operation": "x" * 5_000}, {"operation": None, "details": [1]}, {"expires_at": 1}],
)
@pytest.mark.parametrize("type_", ["audit", "capability_decision"])
def test_an_odd_payload_is_kept_as_well_as_it_can_be(store: Store, journal: Journal, type_: str, payload: Any) -> None:
    journal.append([event(1, type_, payload=payload, name="named")])
    assert one(store).operation is not None


# ── orphans ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_of_a_run_that_is_not_there_is_kept_counted_and_listed(store: Store, journal: Journal) -> None:
    assert journal.append([audit(1), audit(2, "r2", "t2"), audit(3, None)]).stored == 3
    assert ids(store, orphans=("orphaned",)) == ["e000002", "e000001"]
    found = count_orphans(store)
    assert (found.count, found.oldest_at, found.runs, found.tasks) == (2, START + SECOND, ["r1", "r2"], ["t2"])
    assert (get_audit(store, "e000002").task_id, get_audit(store, "e000002").run_id) == ("t2", "r2")


def test_what_is_only_said_of_a_run_does_not_make_it(store: Store, journal: Journal) -> None:
    journal.append([audit(1), decided(2, run_id="r1"), event(3, "feedback", payload={"target_id": "r1"})])
    assert ids(store, orphans=("orphaned",)) == ["e000002", "e000001"]


@pytest.mark.parametrize("type_", ["run_started", "note", "degraded", "task_transition"])
def test_a_run_that_comes_later_adopts_what_waited(store: Store, journal: Journal, type_: str) -> None:
    journal.append([audit(1), audit(2, "r9")])
    made = journal.append([event(3, type_), event(4)])
    found = get_audit(store, "e000001")
    assert (found.orphan, found.adopted_by) == ("adopted", made.first_id)
    assert found.adopted_at is not None
    assert get_audit(store, "e000002").orphan == "orphaned"


def test_a_task_is_known_by_the_run_or_move_that_names_it(store: Store, journal: Journal) -> None:
    journal.append([event(1, task_id="t1"), audit(2, None, "t1"), audit(3, None, "t2"), audit(4, None, "t3")])
    journal.append([event(5, "task_transition", payload={"from": "A", "to": "B"}, run_id=None, task_id="t2")])
    assert {each.event_id: each.orphan for each in list_audits(store).audits} == {
        "e000002": "known", "e000003": "adopted", "e000004": "orphaned",
    }  # fmt: skip


def test_one_that_waits_for_both_is_adopted_by_the_last(store: Store, journal: Journal) -> None:
    journal.append([audit(1, "r1", "t1")])
    journal.append([event(2)])
    assert (one(store).orphan, one(store).run_missing, one(store).task_missing) == ("orphaned", 0, 1)
    last = journal.append([event(3, task_id="t1", run_id="r5")])
    assert (one(store).orphan, one(store).adopted_by) == ("adopted", last.first_id)


def test_adoption_happens_once(store: Store, journal: Journal) -> None:
    journal.append([audit(1)])
    first = journal.append([event(2)]).first_id
    journal.append([event(3)])
    journal.append([event(4), audit(5)])
    assert get_audit(store, "e000001").adopted_by == first
    assert get_audit(store, "e000005").orphan == "known"


def test_an_adoption_is_undone_with_what_would_have_made_the_run(store: Store, journal: Journal) -> None:
    journal.append([audit(1)])

    def fail(tx: Any) -> None:
        journal.append_in(tx, [event(2)])
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        store.write(fail)
    assert one(store).orphan == "orphaned"


def test_thousands_of_orphans_of_many_runs_are_adopted_each_by_its_own(store: Store, journal: Journal) -> None:
    journal.append([audit(number, f"r{number % 1_500}") for number in range(3_000)], timeout=60)
    journal.append([event(10_000 + number, run_id=f"r{number}") for number in range(0, 1_500, 3)], timeout=60)
    assert count_orphans(store).count == 2_000
    assert all(int(each[1:]) % 1_500 % 3 == 0 for each in ids(store, orphans=("adopted",)))


_SCENE = [
    event(1, "run_started", payload={"name": "one"}, task_id="t1"),
    event(2),
    event(3, run_id="r2"),
    event(4, "task_transition", payload={"from": "A", "to": "B"}, run_id=None, task_id="t2"),
    audit(11),
    audit(12, "r1", "t1"),
    audit(13, "r2", "t2"),
    audit(14, "r3", "t2"),
    audit(15, None, "t3"),
    audit(16, None),
    decided(17, run_id="r2"),
    decided(18, "denied", run_id="r4"),
    event(19, "feedback", payload={"target_id": "r4"}, run_id="r4"),
    audit(20, "r1", "t9"),
]
_RUNS, _TASKS = {"r1", "r2"}, {"t1", "t2"}


@settings(max_examples=60)
@given(order=st.permutations(range(len(_SCENE))), cuts=st.sets(st.integers(1, len(_SCENE) - 1)))
def test_in_any_order_every_orphan_is_adopted_exactly_when_the_last_of_what_it_names_comes(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cuts: set[int]
) -> None:
    backend = SqliteBackend(tmp_path_factory.mktemp("any"))
    try:
        store = backend.open()
        journal = Journal(store, [RunProjector(), AuditProjector()])
        expected: dict[str, tuple[str, int | None]] = {}
        seen: list[Event] = []
        first_ids: dict[tuple[str, str], int] = {}
        for start, end in itertools.pairwise([0, *sorted(cuts), len(order)]):
            batch = [_SCENE[place] for place in order[start:end]]
            made = journal.append(batch)
            seen += batch
            for id_, each in zip(made.ids, batch, strict=True):
                if each.type not in ("audit", "capability_decision", "feedback"):
                    for key in (("run", each.run_id), ("task", each.task_id)):
                        if key[1] is not None:
                            first_ids.setdefault((key[0], key[1]), id_)
            for each in seen:
                if each.type in ("audit", "capability_decision"):
                    _expect(expected, each, first_ids, made.first_id, new=each in batch)
            journal.append(seen)  # once more changes nothing
            found = {each.event_id: (each.orphan, each.adopted_by) for each in list_audits(store).audits}
            assert found == expected
    finally:
        backend.close()


def _expect(
    expected: dict[str, tuple[str, int | None]],
    record: Event,
    first_ids: dict[tuple[str, str], int],
    first: int,
    *,
    new: bool,
) -> None:
    named = [key for key in (("run", record.run_id), ("task", record.task_id)) if key[1] is not None]
    came = [first_ids.get((what, str(id_))) for what, id_ in named]
    if new:
        expected[record.event_id] = ("orphaned" if None in came else "known", None)
    elif expected[record.event_id][0] == "orphaned" and None not in came:
        # Of two that come in one batch the task is the last, whatever their ids.
        at_once = all(id_ >= first for id_ in came if id_ is not None)
        expected[record.event_id] = ("adopted", came[-1] if at_once else max(id_ for id_ in came if id_ is not None))


# ── a store from before ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_store_from_before_gets_its_records_when_it_is_opened(store: Store) -> None:
    old, new = Journal(store, [RunProjector()]), Journal(store, [RunProjector(), AuditProjector()])
    old.append([event(1), audit(2), audit(3, "r2"), decided(4), audit(5, "r3")])
    store.write(lambda tx: tx.sql.execute(text("UPDATE projections SET until_id = 5 WHERE name = 'audits'")).rowcount)
    new.append([audit(6, "r2"), event(7, run_id="r3")])
    assert AuditProjector().catch_up(store) == 4
    assert AuditProjector().catch_up(store) == 0
    assert {each.event_id: each.orphan for each in list_audits(store).audits} == {
        "e000002": "known", "e000003": "orphaned", "e000004": "known", "e000005": "known", "e000006": "orphaned",
    }  # fmt: skip
    new.append([event(8, run_id="r2")])
    assert count_orphans(store).count == 0


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def some(journal: Journal) -> None:
    journal.append(
        [
            event(1),
            audit(2, actor="ann", subject_type="repo", subject_id="acme/shop", outcome="succeeded", project="p"),
            audit(
                3, "r9", "t9", actor="bob", subject_type="user", subject_id="acme/shop", outcome="refused", level="warn"
            ),
            decided(4, "requested", correlation_id="c1", reason="for the 50% case"),
            decided(5, "denied", rule="no-secrets", correlation_id="c1"),
            decided(6, "granted", "net.fetch", rule="allowlist"),
        ]
    )


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [6, 5, 4, 3, 2]),
        ({"actor": "ann"}, [2]),
        ({"operation": "repo.push"}, [3, 2]),
        ({"subject": "acme/shop"}, [3, 2]),
        ({"subject": "repo:acme/shop"}, [2]),
        ({"types": ("capability_decision",)}, [6, 5, 4]),
        ({"levels": ("warn", "error")}, [3]),
        ({"statuses": ("refused", "denied")}, [5, 3]),
        ({"capability": "fs.write"}, [5, 4]),
        ({"decisions": ("denied",)}, [5]),
        ({"orphans": ("orphaned",)}, [3]),
        ({"run_id": "r1"}, [2]),
        ({"task_id": "t9"}, [3]),
        ({"project": "p"}, [2]),
        ({"correlation_id": "c1"}, [5, 4]),
        ({"since": START + 5 * SECOND}, [6, 5]),
        ({"until": START + 3 * SECOND}, [2]),
        ({"text": "SHOP"}, [3, 2]),
        ({"text": "50% case"}, [4]),
        ({"also": (Condition(field="rule", patterns=("allow*",)),)}, [6]),
        ({"also": (Condition(field="rule", values=("allowlist",), negated=True),)}, [5, 4, 3, 2]),
        ({"also": (Condition(field="subject", values=("user:acme/shop",)),)}, [3]),
        ({"also": (Condition(field="subject", patterns=("acme/*",), negated=True),)}, [6, 5, 4]),
    ],
    ids=str,
)
@pytest.mark.usefixtures("some")
def test_a_filter_finds(store: Store, wanted: dict[str, Any], found: list[int]) -> None:
    assert ids(store, **wanted) == [f"e{number:06d}" for number in found]


@pytest.mark.parametrize(
    "wanted",
    [
        {"types": ("note",)},
        {"decisions": ("maybe",)},
        {"orphans": ("lost",)},
        {"levels": ("loud",)},
        {"actor": "\ud800"},
        {"since": 2**70},
        {"also": (Condition(field="nothing", values=("x",)),)},
    ],
    ids=str,
)
def test_a_filter_that_makes_no_sense_is_refused(store: Store, wanted: dict[str, Any]) -> None:
    with pytest.raises(FilterInvalid):
        list_audits(store, AuditFilter(**wanted))


def test_pages_hold_each_record_once_also_of_one_moment(store: Store, journal: Journal) -> None:
    journal.append([audit(number, created_at=START + number // 3) for number in range(25)])
    seen: list[str] = []
    cursor = None
    while True:
        page = list_audits(store, limit=4, cursor=cursor)
        seen += [each.event_id for each in page.audits]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 25


@pytest.mark.parametrize("cursor", ["x", "bm8", "W10", "WzEsMl0gIA"])
def test_a_cursor_of_somebody_elses_making_is_refused(store: Store, cursor: str) -> None:
    if cursor == "WzEsMl0gIA":
        assert list_audits(store, cursor=cursor).audits == []
        return
    with pytest.raises(CursorInvalid):
        list_audits(store, cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 1_001])
def test_a_limit_outside_its_bounds_is_refused(store: Store, limit: int) -> None:
    with pytest.raises(LimitInvalid):
        list_audits(store, limit=limit)


@pytest.mark.usefixtures("some")
def test_one_record_comes_with_its_event_and_its_counterpart(store: Store) -> None:
    found = get_audit_detail(store, "e000005")
    assert (found.audit.decision, found.event.event_id) == ("denied", "e000005")
    assert [each.decision for each in found.paired] == ["requested"]
    for missing in ("e000001", "never", "\ud800"):
        with pytest.raises(AuditNotFound):
            get_audit(store, missing)


@pytest.mark.usefixtures("some")
def test_decisions_add_up_by_capability(store: Store) -> None:
    found = count_decisions(store)
    assert [(row.capability, row.requested, row.granted, row.denied) for row in found.rows] == [
        ("fs.write", 1, 0, 1), ("net.fetch", 0, 1, 0),
    ]  # fmt: skip
    assert found.total == {"requested": 1, "granted": 1, "denied": 1, "other": 0}
    assert count_decisions(store, AuditFilter(since=START + 6 * SECOND)).rows[0].capability == "net.fetch"


@pytest.mark.parametrize(
    "asked",
    [
        "SELECT 1 FROM audits WHERE orphan = 'orphaned' LIMIT 1",
        "SELECT run_id FROM audits WHERE run_missing = 1 AND run_id IN ('a', 'b')",
        "SELECT * FROM audits WHERE actor = 'a' ORDER BY created_at DESC, id DESC LIMIT 10",
        "SELECT * FROM audits WHERE orphan = 'orphaned' ORDER BY created_at DESC, id DESC LIMIT 10",
        "SELECT * FROM audits ORDER BY created_at DESC, id DESC LIMIT 10",
    ],
)
def test_what_is_asked_often_reads_no_whole_table(store: Store, backend: Backend, asked: str) -> None:
    plan = backend.plan(store, asked, ())
    assert all(backend.is_by_index(step) for step in plan), plan


def test_the_columns_are_what_the_table_says(store: Store, journal: Journal) -> None:
    journal.append([audit(1)])
    with store.read() as connection:
        row = connection.execute(select(audits)).mappings().one()
    assert set(row) == set(Audit.__struct_fields__)

"""Feedback: linked to what it is about, waiting for it when it is not there yet, the same rows in whatever order things come."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from flightlog.errors import CursorInvalid, FeedbackInvalid, FeedbackNotFound, FilterInvalid, LimitInvalid
from flightlog.events.envelope import Event
from flightlog.journal.append import Journal
from flightlog.journal.condition import Condition
from flightlog.journal.ready import prepare
from flightlog.journal.rows import as_stored
from flightlog.runs.feedback import (
    Feedback,
    feedback_on,
    get_feedback,
    give_feedback,
    history_of,
    list_feedback,
    pending_count,
)
from flightlog.runs.feedback_filter import FeedbackFilter
from flightlog.runs.feedback_project import WAITING_FEW, FeedbackProjector
from flightlog.runs.feedback_summary import sum_up
from flightlog.runs.feedback_table import feedback
from flightlog.runs.project import RunProjector
from flightlog.store.contract import Store
from tests.contract.backends import Backend, SqliteBackend
from tests.contract.making import SECOND, START, event

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store, [RunProjector(), FeedbackProjector()])


def said(number: int, target: str = "r1-c1", value: Any = "up", /, **more: Any) -> Event:
    """Feedback number `number`, of no run."""
    fields = {name: more.pop(name) for name in ("run_id", "trace_id", "created_at", "actor") if name in more}
    payload = {"target_id": target, "value": value, **more}
    return event(number, "feedback", payload=payload, **{"run_id": None, **fields})


def call(number: int = 1, correlation: str = "c1", **fields: Any) -> Event:
    """What a recorder says of a model call, inside an enclosing span."""
    given = {"correlation_id": correlation, "span_id": "0000000000000abc", "name": "small", **fields}
    return event(number, "llm_response", payload={"model": "small"}, status="ok", **given)


def span_call(number: int = 2, **fields: Any) -> Event:
    """A model call that is an OpenTelemetry span."""
    given = {
        "event_id": f"{TRACE}-{SPAN}",
        "run_id": TRACE,
        "trace_id": TRACE,
        "span_id": SPAN,
        "name": "gpt",
        **fields,
    }
    return event(number, "llm_response", payload={"model": "gpt", "otlp": {"name": "chat gpt"}}, **given)


def one(store: Store) -> Feedback:
    (found,) = list_feedback(store).feedback
    return found


# ── what it is about ─────────────────────────────────────────────────────────────────────────────────────────────────

TARGETS: dict[str, tuple[list[Event], Event, tuple[str, str | None, str | None, str | None]]] = {
    "a generation by its id": ([call()], said(9), ("generation", "r1-c1", "r1", "0000000000000abc")),
    "a generation by its event": ([call()], said(9, "e000001"), ("generation", "r1-c1", "r1", "0000000000000abc")),
    "a generation by its correlation id within the run": (
        [call()],
        said(9, "c1", run_id="r1"),
        ("generation", "r1-c1", "r1", "0000000000000abc"),
    ),
    "a generation by its span": ([span_call()], said(9, SPAN), ("generation", f"{TRACE}-{SPAN}", TRACE, SPAN)),
    "a generation by its span, when one says generation": (
        [span_call()],
        said(9, SPAN, target_type="generation"),
        ("generation", f"{TRACE}-{SPAN}", TRACE, SPAN),
    ),
    "a generation by trace and span, in a run of another name": (
        [span_call(run_id="mine")],
        said(9, f"{TRACE}-{SPAN}"),
        ("generation", f"mine-{SPAN}", "mine", SPAN),
    ),
    "a span that is a generation's own": (
        [span_call()],
        said(9, SPAN, target_type="span", trace_id=TRACE),
        ("span", f"{TRACE}-{SPAN}", TRACE, SPAN),
    ),
    "a span": (
        [event(1, "span_started", payload={}, span_id=SPAN)],
        said(9, SPAN),
        ("span", None, "r1", SPAN),
    ),
    "a span that calls were made in": ([call()], said(9, "0000000000000abc"), ("span", None, "r1", "0000000000000abc")),
    "a span by trace and span": (
        [event(1, "span_finished", payload={}, trace_id=TRACE, span_id=SPAN)],
        said(9, f"{TRACE}-{SPAN}"),
        ("span", None, "r1", SPAN),
    ),
    "a run": ([event(1)], said(9, "r1"), ("run", None, "r1", None)),
}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("first", ["target", "feedback", "together"])
def test_it_is_linked_to(store: Store, journal: Journal, name: str, first: str) -> None:
    target, opinion, place = TARGETS[name]
    for batch in {"target": [target, [opinion]], "feedback": [[opinion], target], "together": [[*target, opinion]]}[
        first
    ]:
        journal.append(batch)
    found = one(store)
    assert found.status == "linked"
    assert (found.target_type, found.generation_id, found.run_id, found.span_id) == place


NOWHERE = {
    "an id that nothing has": said(9, "r1-c9"),
    "a call's correlation id without its run": said(9, "c1"),
    "a call's enclosing span, when one says generation": said(9, "0000000000000abc", target_type="generation"),
    "a generation, when one says run": said(9, "r1-c1", target_type="run"),
    "a span in another trace": said(9, f"{'f' * 32}-0000000000000abc"),
}


@pytest.mark.parametrize("name", NOWHERE)
def test_it_waits_for(store: Store, journal: Journal, name: str) -> None:
    journal.append([NOWHERE[name]])
    journal.append([call()])
    assert one(store).status == "pending"
    assert pending_count(store) == (1, START + 9 * SECOND)


def test_what_waits_keeps_its_target_as_it_was_given(store: Store, journal: Journal) -> None:
    journal.append([said(1, "r1-c1")])
    assert (one(store).target_id, one(store).target_type, one(store).generation_id) == ("r1-c1", None, None)


def test_many_that_wait_are_found_too(store: Store, journal: Journal) -> None:
    journal.append([said(number, f"r1-c{number}") for number in range(1, WAITING_FEW + 50)])
    journal.append([call(1_000, f"c{WAITING_FEW + 40}")])
    (linked,) = list_feedback(store, FeedbackFilter(statuses=("linked",))).feedback
    assert linked.generation_id == f"r1-c{WAITING_FEW + 40}"


def test_a_batch_that_is_undone_links_nothing(store: Store, journal: Journal) -> None:
    journal.append([said(9)])

    def fail(tx: Any) -> None:
        journal.append_in(tx, [call()])
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        store.write(fail)
    assert one(store).status == "pending"


def test_the_link_is_a_foreign_key(store: Store, journal: Journal) -> None:
    journal.append([call(), said(2)])
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        store.write(lambda tx: tx.sql.execute(text("DELETE FROM generations")).rowcount)
    assert one(store).status == "linked"


def test_a_generation_and_its_feedback_are_one_query(store: Store, journal: Journal) -> None:
    journal.append([call(1, "c1"), call(2, "c2"), said(3, "r1-c1", 0.5, name="faithful"), said(4, "r1-c1", "up")])
    columns = "generation_id, model, feedback_kind, feedback_name, value_number"
    with store.read() as connection:
        rows = connection.execute(text(f"SELECT {columns} FROM trace_feedback ORDER BY 1, 3")).all()
    assert [tuple(row) for row in rows] == [
        ("r1-c1", "small", "score", "faithful", 0.5),
        ("r1-c1", "small", "thumb", None, 1.0),
        ("r1-c2", "small", None, None, None),
    ]


# ── order ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_SCENE = [
    call(1, "c1"),
    call(2, "c2"),
    span_call(3),
    event(4, "span_started", payload={}, span_id="00000000000000aa"),
    said(11, "r1-c1", "up", key="k"),
    said(12, "r1-c1", "down", key="k"),
    said(13, "r1-c1", 0.4, key="k", created_at=START + 12 * SECOND),  # at the same moment: the event id decides
    said(14, "c2", "good", key="k", run_id="r1"),
    said(15, "c2", "bad", key="k"),  # the latest names no run, so nothing is found by it
    said(16, SPAN, 0.9, name="q"),
    said(17, "00000000000000aa", "up"),
    said(18, "r1", None, comment="long", key="k"),
    said(19, "never", "up"),
    said(20, "r1-c1", "up"),
]


def rows_of(store: Store) -> list[tuple[Any, ...]]:
    columns = [column for column in feedback.columns if column.name != "id"]  # that is the order of arrival
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(feedback.c.feedback_id))]


@settings(max_examples=60)
@given(order=st.permutations(range(len(_SCENE))), cuts=st.sets(st.integers(1, len(_SCENE) - 1)))
def test_any_order_and_batching_ends_in_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cuts: set[int]
) -> None:
    backend = SqliteBackend(tmp_path_factory.mktemp("any"))
    try:
        store = backend.open()
        journal = Journal(store, [RunProjector(), FeedbackProjector()])
        edges = [0, *sorted(cuts), len(order)]
        for start, end in itertools.pairwise(edges):
            journal.append([_SCENE[place] for place in order[start:end]])
        journal.append(_SCENE)  # once more changes nothing
        assert rows_of(store) == expected_rows(tmp_path_factory)
    finally:
        backend.close()


_expected: list[tuple[Any, ...]] = []


def expected_rows(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    if not _expected:
        backend = SqliteBackend(tmp_path_factory.mktemp("straight"))
        store = backend.open()
        Journal(store, [RunProjector(), FeedbackProjector()]).append(_SCENE)
        _expected.extend(rows_of(store))
        backend.close()
    return _expected


def test_the_scene_ends_as_it_should(store: Store, journal: Journal) -> None:
    journal.append(_SCENE)
    told = {(each.target_id, each.key): (each.status, each.kind, each.value) for each in list_feedback(store).feedback}
    assert told == {
        ("r1-c1", "k"): ("linked", "score", 0.4),
        ("c2", "k"): ("pending", "label", "bad"),
        (SPAN, None): ("linked", "score", 0.9),
        ("00000000000000aa", None): ("linked", "thumb", "up"),
        ("r1", "k"): ("linked", "comment", None),
        ("never", None): ("pending", "thumb", "up"),
        ("r1-c1", None): ("linked", "thumb", "up"),
    }


def test_events_from_before_the_table_are_taken_in_afterwards(store: Store) -> None:
    Journal(store, [RunProjector()]).append([said(1), call(2), said(3, "r1", "down")])
    store.write(lambda tx: tx.sql.execute(text("UPDATE projections SET until_id = 3 WHERE name = 'feedback'")).rowcount)
    projector = FeedbackProjector()
    assert projector.catch_up(store) == 2
    assert projector.catch_up(store) == 0
    assert {(each.target_id, each.status) for each in list_feedback(store).feedback} == {
        ("r1-c1", "linked"),
        ("r1", "linked"),
    }


def test_what_waits_is_linked_when_generations_are_made_for_a_store_from_before(store: Store) -> None:
    Journal(store, [FeedbackProjector()]).append([said(1), call(2)])  # nobody made a generation of the call
    assert one(store).status == "pending"
    store.write(lambda tx: RunProjector().apply(tx, as_stored([prepare(call(2))], 2, START)))
    assert FeedbackProjector().catch_up(store, generations_made=1) == 0
    assert one(store).status == "linked"


# ── saying it ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_given_is_told_to_be_linked_or_pending(journal: Journal) -> None:
    journal.append([call()])
    assert give_feedback(journal, said(2)).status == "linked"
    assert give_feedback(journal, said(3, "r1-c2")).status == "pending"


def test_the_same_again_under_a_key_appends_nothing(store: Store, journal: Journal) -> None:
    first = give_feedback(journal, said(1, key="k"))
    again = give_feedback(journal, said(2, key="k"))
    assert again == first
    changed = give_feedback(journal, said(3, "r1-c1", "down", key="k"))
    assert (changed.feedback_id, changed.value, changed.event_id) == (first.feedback_id, "down", "e000003")
    assert [each.event_id for each in history_of(store, first.feedback_id)] == ["e000001", "e000003"]


def test_what_is_said_by_somebody_else_under_the_key_is_something_new(store: Store, journal: Journal) -> None:
    give_feedback(journal, said(1, key="k", actor="ann"))
    found = give_feedback(journal, said(2, key="k", actor="bob"))
    assert found.actor == "bob"
    assert len(history_of(store, found.feedback_id)) == 2


def test_it_is_found_by_its_id_and_by_any_event_that_said_it(store: Store, journal: Journal) -> None:
    found = give_feedback(journal, said(1, key="k"))
    give_feedback(journal, said(2, "r1-c1", "down", key="k"))
    assert get_feedback(store, found.feedback_id).event_id == "e000002"
    assert get_feedback(store, "e000001").feedback_id == found.feedback_id
    for odd in ("never", "", "\ud800"):
        with pytest.raises(FeedbackNotFound):
            get_feedback(store, odd)


@pytest.mark.parametrize(
    "more",
    [{"kind": "score"}, {"kind": "thumb", "value": "sideways"}, {"kind": "label", "value": 1}, {"given_by": "me"}],
    ids=str,
)
def test_what_makes_no_sense_is_refused_and_not_appended(store: Store, journal: Journal, more: dict[str, Any]) -> None:
    with pytest.raises(FeedbackInvalid):
        give_feedback(journal, said(1, **more))
    assert list_feedback(store).feedback == []


def test_what_a_lenient_door_let_in_is_kept_without_its_number(store: Store, journal: Journal) -> None:
    journal.append(
        [said(1, "r1-c1", "very", kind="score"), event(2, "feedback", payload={"target_id": 7}, run_id=None)]
    )
    assert (one(store).kind, one(store).value_number, one(store).value) == ("score", None, "very")


# ── reading it ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def filled(store: Store, journal: Journal) -> Store:
    journal.append(
        [
            call(1, "c1"),
            call(2, "c2", name="large"),
            said(11, "r1-c1", "up", given_by="user"),
            said(12, "r1-c1", 0.25, name="faithful", given_by="model"),
            said(13, "r1-c2", 0.75, name="faithful", created_at=START + 200_000 * SECOND),
            said(14, "r1-c2", "down", comment="Too LONG, 100%"),
            said(15, "r1", "spam", kind="label"),
            said(16, "never", "up"),
        ]
    )
    return store


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"target": "r1-c1"}, {11, 12}),
        ({"target": "r1"}, {15}),
        ({"run_id": "r1"}, {11, 12, 13, 14, 15}),
        ({"generation_id": "r1-c2"}, {13, 14}),
        ({"kinds": ("thumb", "label")}, {11, 14, 15, 16}),
        ({"statuses": ("pending",)}, {16}),
        ({"name": "faithful"}, {12, 13}),
        ({"given_by": "model"}, {12}),
        ({"text": "too long"}, {14}),
        ({"text": "100%"}, {14}),
        ({"since": START + 14 * SECOND, "until": START + 16 * SECOND}, {14, 15}),
        ({"also": (Condition(field="score", high=0.5),)}, {12}),
        ({"also": (Condition(field="score", high=0.5, negated=True),)}, {11, 13, 14, 15, 16}),
        ({"also": (Condition(field="thumb", values=("up",)),)}, {11, 16}),
        ({"also": (Condition(field="target", patterns=("r1-*",)),)}, {11, 12, 13, 14}),
        ({"also": (Condition(field="name", values=("faithful",), negated=True),)}, {11, 14, 15, 16}),
    ],
    ids=str,
)
def test_a_filter_finds(filled: Store, wanted: dict[str, Any], found: set[int]) -> None:
    page = list_feedback(filled, FeedbackFilter(**wanted)).feedback
    assert {int(each.event_id[1:]) for each in page} == found


def test_pages_follow_each_other_from_the_latest_on(filled: Store) -> None:
    cursor, seen = None, []
    while True:
        page = list_feedback(filled, limit=2, cursor=cursor)
        seen += [int(each.event_id[1:]) for each in page.feedback]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [13, 16, 15, 14, 12, 11]


def test_what_can_not_be_asked_is_refused(filled: Store) -> None:
    with pytest.raises(CursorInvalid):
        list_feedback(filled, cursor="abc")
    with pytest.raises(LimitInvalid):
        list_feedback(filled, limit=0)
    for odd in ({"kinds": ("odd",)}, {"name": "\ud800"}, {"since": 2**70}, {"also": (Condition(field="odd"),)}):
        with pytest.raises(FilterInvalid):
            list_feedback(filled, FeedbackFilter(**odd))  # type: ignore[arg-type]
    with pytest.raises(FilterInvalid):
        sum_up(filled, by="mood")


def test_a_generation_and_a_run_are_read_with_what_was_said_of_them(filled: Store) -> None:
    def numbers(found: list[Feedback]) -> list[int]:
        return [int(each.event_id[1:]) for each in found]

    assert numbers(feedback_on(filled, generation_id="r1-c1")) == [11, 12]
    assert numbers(feedback_on(filled, run_id="r1")) == [11, 12, 14, 15, 13]


def test_it_adds_up_by_name_by_model_and_by_day(filled: Store) -> None:
    total, by_name = sum_up(filled, by="name")
    assert (total.count, total.labels) == (6, {"spam": 1})
    assert total.thumbs is not None
    assert (total.thumbs.up, total.thumbs.down, total.thumbs.up_share) == (2, 1, 2 / 3)
    assert [(group.value, group.count) for group in by_name] == [("faithful", 2), (None, 4)]
    scores = by_name[0].scores
    assert scores is not None
    assert (scores.count, scores.average, scores.min, scores.max) == (2, 0.5, 0.25, 0.75)
    assert {group.value: group.count for group in sum_up(filled, by="model")[1]} == {"small": 4, None: 2}
    assert {group.value: group.count for group in sum_up(filled, by="day")[1]} == {"2023-11-14": 5, "2023-11-17": 1}
    _, narrowed = sum_up(filled, FeedbackFilter(given_by="user"))
    assert [(group.value, group.count) for group in narrowed] == [(None, 1)]


def test_a_batch_without_feedback_looks_once(backend: Backend, store: Store, journal: Journal) -> None:
    """The look for what waits is answered by an index, however much feedback there is."""
    query = "SELECT target_id FROM feedback WHERE status = 'pending' LIMIT 1"
    assert any("feedback_pending" in step for step in backend.plan(store, query, ()))

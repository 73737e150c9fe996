"""A store from before there were generations gets them, wherever it is stopped on the way."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from sqlalchemy import text

from flightlog.events.envelope import Event, StoredEvent
from flightlog.journal.append import Journal
from flightlog.journal.catchup import catch_up, is_behind
from flightlog.runs.generations import list_generations
from flightlog.runs.project import RunProjector, catch_up_generations
from flightlog.runs.summary import get_run
from flightlog.store.contract import Store, Tx
from flightlog.store.migrations.run import upgrade
from tests.contract.backends import Backend
from tests.contract.making import event
from tests.contract.test_generations import answer, request, rows_of, span

OLD = "0003"
TYPES = ("llm_request", "llm_response")
RUN = (
    "INSERT INTO runs VALUES ('r1', 'default', NULL, 'running', NULL, NULL, NULL, NULL, 1, 1, 'e000001', NULL, NULL, NULL, 1, 1, "
    "9, 0, 0, 3000, 300, 2400, 0, 500000000, '{}', '[]')"
)


@pytest.fixture
def old(backend: Backend) -> Store:
    """A store of the schema before generations, with three calls of which one reported its cost, and one that is open."""
    store = backend.open(migrate=False)
    store.write(lambda tx: upgrade(tx.sql, OLD))
    usage = {"input_tokens": 1_000, "output_tokens": 100, "cached_input_tokens": 800}
    calls = [request(1), event(2), answer(3), span(4, run_id="r1")]
    calls += [answer(5, correlation_id="c5", payload={"usage": usage, "cost_usd": 0.5})]
    Journal(store).append([*calls, request(6, correlation_id="open"), event(7)])
    store.write(lambda tx: tx.sql.execute(text(RUN)).rowcount)
    return store


def test_an_old_store_gets_its_generations_and_its_runs_their_costs(old: Store) -> None:
    assert old.migrate()[0] == "0004"
    assert catch_up_generations(old, RunProjector()) == 5
    found = {one.generation_id: one for one in list_generations(old).generations}
    assert {key: one.status for key, one in found.items()} == {
        "r1-c1": "ok",
        "r1-s004": "ok",
        "r1-c5": "ok",
        "r1-open": "running",
    }
    assert get_run(old, "r1").cost_usd == sum(one.cost_nano_usd or 0 for one in found.values()) / 1e9 > 0.5
    assert catch_up_generations(old, RunProjector()) == 0


def test_it_comes_to_the_same_as_if_there_had_been_generations_all_along(old: Store, backend: Backend) -> None:
    old.migrate()
    catch_up_generations(old, RunProjector())
    usage = {"input_tokens": 1_000, "output_tokens": 100, "cached_input_tokens": 800}
    calls = [request(1), answer(3), span(4), answer(5, correlation_id="c5", payload={"usage": usage, "cost_usd": 0.5})]
    calls += [request(6, correlation_id="open")]
    journal = Journal(old, [RunProjector()])
    journal.append([_moved(one) for one in calls])
    before, after = rows_of(old, "r1"), rows_of(old, "r2")
    for row in (*before.values(), *after.values()):
        del row["event_id"], row["request_event_id"]
    assert before == after


def _moved(one: Event) -> Event:
    return msgspec.structs.replace(one, run_id="r2", event_id="new-" + one.event_id)


def test_it_goes_on_where_it_was_stopped_and_takes_nothing_twice(old: Store) -> None:
    old.migrate()
    seen: list[int] = []

    def take(tx: Tx, events: Sequence[StoredEvent]) -> None:
        if len(seen) >= 2 and not stopped:
            stopped.append(True)
            raise KeyboardInterrupt
        seen.extend(one.id for one in events)

    stopped: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        catch_up(old, "generations", TYPES, take, batch_events=2)
    with old.read() as connection:
        assert is_behind(connection, "generations")
    catch_up(old, "generations", TYPES, take, batch_events=2)
    assert seen == [1, 3, 4, 5, 6]
    with old.read() as connection:
        assert not is_behind(connection, "generations")


def test_what_comes_before_it_is_done_is_not_taken_twice(old: Store) -> None:
    old.migrate()
    projector = RunProjector()
    Journal(old, [projector]).append([answer(8, correlation_id="open"), span(9, run_id="r1")])
    assert catch_up_generations(old, projector) == 5
    found = {one.generation_id: one.status for one in list_generations(old).generations}
    assert found == {"r1-c1": "ok", "r1-s004": "ok", "r1-c5": "ok", "r1-open": "ok", "r1-s009": "ok"}
    assert get_run(old, "r1").cost_usd == pytest.approx(
        sum(one.cost_usd or 0 for one in list_generations(old).generations)
    )


def test_all_events_are_handed_over_where_no_types_are_asked_for(old: Store) -> None:
    old.migrate()
    seen: list[int] = []
    assert (
        catch_up(old, "generations", (), lambda tx, events: seen.extend(one.id for one in events), batch_events=3) == 7
    )
    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_a_new_store_and_an_unknown_projection_have_nothing_to_catch_up(store: Store) -> None:
    assert catch_up_generations(store, RunProjector()) == 0
    assert catch_up(store, "nobody", (), lambda tx, events: None) == 0

"""What only a database that is a server of its own can do to a store."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import select, text

from flightlog.errors import SettingInvalid, StoreBroken, StoreUnavailable
from flightlog.journal.append import Journal
from flightlog.journal.read import read_events
from flightlog.journal.table import run_events
from flightlog.runs.project import RunProjector
from flightlog.runs.summary import get_run
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from tests.contract.making import event
from tests.contract.postgres import drop_database, make_database, server_url


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    made = make_database()
    yield made
    drop_database(made)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url, writable=True)
    yield opened
    opened.close()


def end_connections(url: str) -> None:
    """What a restart of the server does to those who are connected."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_several_writers_take_turns_and_ids_are_given_out_in_commit_order(store: Store, url: str) -> None:
    others = [open_store(url, writable=True) for _ in range(3)]
    journals = [Journal(one, [RunProjector()]) for one in (store, *others)]
    seen: list[list[int]] = []

    def watch() -> None:
        """A reader who remembers the last id may not be passed by a smaller one."""
        while not seen or len(seen[-1]) < 160:
            with store.read() as connection:
                wanted = select(run_events.c.id).where(run_events.c.run_id == "together").order_by(run_events.c.id)
                seen.append(list(connection.execute(wanted).scalars()))

    def work(number: int) -> None:
        for round_ in range(20):
            first = number * 1_000 + round_ * 10
            journals[number].append([event(first + one, run_id="together") for one in (1, 2)], timeout=60)

    with ThreadPoolExecutor(5) as pool:
        watching = pool.submit(watch)
        list(pool.map(work, range(4)))
        watching.result(60)
    for one in others:
        one.close()
    for before, after in itertools.pairwise(seen):
        assert after[: len(before)] == before
    assert get_run(store, "together").event_count == 160


def test_what_is_open_when_the_server_ends_it_is_opened_anew(store: Store, url: str) -> None:
    journal = Journal(store)
    journal.append([event(7_001)])
    read_events(store)
    end_connections(url)
    assert journal.append([event(7_002)]).stored == 1
    end_connections(url)
    assert read_events(store, limit=500).events[-1].event_id == event(7_002).event_id


def test_a_write_whose_connection_is_cut_is_not_stored_and_says_so(store: Store, url: str) -> None:
    journal = Journal(store)

    def cut(tx: object) -> None:
        journal.append_in(tx, [event(8_001)])  # type: ignore[arg-type]
        end_connections(url)
        journal.append_in(tx, [event(8_002)])  # type: ignore[arg-type]

    with pytest.raises(StoreUnavailable):
        store.write(cut)
    assert journal.append([event(8_001)]).stored == 1


def test_a_character_that_the_database_does_not_keep_is_shown_as_missing(store: Store) -> None:
    Journal(store).append([event(9_001, name="a\x00b", payload={"text": "c\x00d"})])
    [stored] = [one for one in read_events(store, limit=500).events if one.event_id == event(9_001).event_id]
    assert (stored.name, bytes(stored.payload)) == ("a�b", b'{"text":"c\\u0000d"}')


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(StoreUnavailable) as caught:
        open_store("postgresql://ann:s3cret@127.0.0.1:1/flight", writable=True)
    assert "s3cret" not in str(caught.value)


def test_a_database_that_is_not_there_needs_a_person() -> None:
    base = server_url()
    with pytest.raises(StoreBroken, match="no such database"):
        open_store(base.replace("/postgres?", "/nowhere?"), writable=True)


def test_the_address_of_a_store_hides_its_password(store: Store) -> None:
    assert store.url.startswith("postgresql://")
    with store.read() as connection:
        assert connection.execute(text("SHOW transaction_read_only")).scalar_one() == "on"


def test_other_addresses_are_refused() -> None:
    with pytest.raises(SettingInvalid, match="postgresql"):
        open_store("mysql://somewhere/flight")

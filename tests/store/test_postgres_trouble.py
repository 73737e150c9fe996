"""The database restarted, away, cut off, full of others or slow: nothing that was acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert, select

from flightlog.api.app import Services
from flightlog.config import Settings
from flightlog.errors import StoreBroken, StoreUnavailable
from flightlog.events.envelope import StoredEvent
from flightlog.journal.read import read_events
from flightlog.journal.table import spool_positions
from flightlog.store.contract import Store, Tx
from flightlog.store.engine import open_store
from flightlog.store.postgres import PostgresStore
from flightlog.wiring import Keeper, make_intake, open_platform_store
from tests.api.serving import Server, Stream
from tests.cli.terminal import flightlog
from tests.store.own_postgres import END, PASSWORD, Line, OwnPostgres

pytestmark = pytest.mark.xdist_group("own-postgres")
PATIENT = Settings(write_timeout_seconds=2.0, postgres_wait_seconds=2.0)


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgres]:
    made = OwnPostgres()
    yield made
    made.close()


@pytest.fixture
def keeper(server: OwnPostgres, tmp_path: Path) -> Iterator[Keeper]:
    opened = open_platform_store(server.as_ann(), PATIENT, tmp_path / "state")
    yield opened
    opened.close()


def services_of(keeper: Keeper) -> Services:
    return Services(
        store=keeper.store,
        journal=keeper.journal,
        hub=keeper.hub,
        intake=make_intake(keeper.folder, keeper.settings),
        settings=keeper.settings,
        folder=keeper.folder,
    )


def put(name: str) -> Callable[[Tx], None]:
    def fn(tx: Tx) -> None:
        tx.sql.execute(insert(spool_positions).values(segment=name, position=1, updated_at=1))

    return fn


def names(store: Store) -> set[str]:
    with store.read() as connection:
        return set(connection.execute(select(spool_positions.c.segment)).scalars())


class Senders:
    """Clients that send events to servers until they are told to stop, each again until it is taken."""

    def __init__(self, urls: list[str]) -> None:
        self.urls = urls
        self.taken: set[str] = set()
        self.refused: list[tuple[int, str | None]] = []
        self.read: set[int] = set()
        self.is_refused = threading.Event()
        self._count = threading.Condition()
        self._stop = threading.Event()

    def send(self, number: int) -> None:
        with httpx.Client(timeout=END) as client:
            for place in itertools.count():
                if self._stop.is_set():
                    return
                event_id = f"sent-{number}-{place}"
                while not self._stop.is_set():
                    body = {"event_id": event_id, "type": "note", "run_id": f"run-{number}", "payload": {"text": "on"}}
                    self.read.add(client.get(f"{self.urls[0]}/api/runs").status_code)
                    answer = client.post(f"{self.urls[number % len(self.urls)]}/api/events", json=body)
                    if answer.status_code < 300:
                        with self._count:
                            self.taken.add(event_id)
                            self._count.notify_all()
                        break
                    self.refused.append((answer.status_code, answer.headers.get("retry-after")))
                    self.is_refused.set()

    def wait_for(self, more: int) -> None:
        """Return when so many more were taken."""
        with self._count:
            wanted = len(self.taken) + more
            assert self._count.wait_for(lambda: len(self.taken) >= wanted, END), self.refused[-3:]

    def stop(self) -> None:
        self._stop.set()


def test_two_servers_ride_out_restarts_of_the_database(server: OwnPostgres, keeper: Keeper, tmp_path: Path) -> None:
    """Whoever asks meanwhile is refused as 503 with Retry-After, never otherwise; a stream on the other server goes on."""
    other = open_platform_store(server.as_ann(), PATIENT, tmp_path / "other")
    with ExitStack() as stack:
        stack.callback(other.close)
        one, two = (stack.enter_context(Server(services_of(each))) for each in (keeper, other))
        senders = Senders([one.url, two.url])
        pool = stack.enter_context(ThreadPoolExecutor(4))
        stack.callback(senders.stop)
        sending = [pool.submit(senders.send, number) for number in range(4)]
        senders.wait_for(20)
        stream = stack.enter_context(Stream(f"{two.url}/api/events/stream", afterId=0))
        for _ in range(2):
            server.stop()
            senders.is_refused.clear()
            assert senders.is_refused.wait(END)
            server.start()
            senders.wait_for(20)
        senders.stop()
        for done in sending:
            done.result(END)
        told = stream.take(len(senders.taken))  # a stream that was open all the while has missed nothing
        assert told == sorted(set(told))
        assert set(senders.refused) == {(503, "1")}
        assert senders.read <= {200, 503}
        found = [event.event_id for event in _all(keeper.store) if event.event_id.startswith("sent-")]
        assert len(found) == len(set(found))
        assert set(found) >= senders.taken


def _all(store: Store) -> Iterator[StoredEvent]:
    after = 0
    while events := read_events(store, after_id=after, limit=1_000).events:
        yield from events
        after = events[-1].id


def test_who_listens_hears_again_after_a_restart(server: OwnPostgres, keeper: Keeper) -> None:
    reader = open_store(server.as_ann(), settings=PATIENT)
    signal = reader.commits()
    server.stop()
    server.start()
    deadline = time.monotonic() + END
    while True:  # until it listens again, what is committed is told when it does
        seen = signal.seen
        keeper.store.write(lambda tx: None)
        if signal.wait(seen, 1.0) != seen:
            break
        assert time.monotonic() < deadline
    reader.close()


@pytest.fixture
def line(server: OwnPostgres) -> Iterator[Line]:
    with tempfile.TemporaryDirectory(prefix="line-", dir="/tmp") as folder:
        made = Line(server.socket, Path(folder))
        yield made
        made.close()


@pytest.mark.parametrize("together", [1, 3])
def test_a_commit_whose_answer_was_lost_is_known_to_be_stored_and_not_done_again(
    server: OwnPostgres, keeper: Keeper, line: Line, together: int
) -> None:
    through_the_line = server.as_ann().split("?")[0] + f"?host={line.path.parent}"
    store = open_store(through_the_line, settings=PATIENT, writable=True)
    assert isinstance(store, PostgresStore)
    assert store._writer is not None
    entered, go = threading.Event(), threading.Event()
    ran: list[str] = []

    def write(name: str) -> None:
        def fn(tx: Tx) -> None:
            ran.append(name)
            line.armed.set()
            put(name)(tx)

        store.write(fn, END)

    wanted = [f"lost-{together}-{number}" for number in range(together)]
    with ThreadPoolExecutor(together + 1) as pool:
        held = pool.submit(store.write, lambda _: (entered.set(), go.wait(END)), END)
        assert entered.wait(END)
        answers = [pool.submit(write, name) for name in wanted]
        while store._writer._jobs.qsize() < together:
            os.sched_yield()
        go.set()
        held.result(END)
        for answer in answers:
            answer.result(END)
    store.close()
    assert line.cut.is_set()
    assert sorted(ran) == wanted
    assert names(keeper.store) >= set(wanted)


def test_a_write_that_stands_still_does_not_keep_others_from_writing(server: OwnPostgres, keeper: Keeper) -> None:
    hung = open_store(server.as_ann(), settings=Settings(postgres_idle_seconds_max=0.2), writable=True)
    entered, go = threading.Event(), threading.Event()

    def stand_still(tx: Tx) -> None:
        put("hung")(tx)
        entered.set()
        assert go.wait(END)

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(hung.write, stand_still, END)
        assert entered.wait(END)
        keeper.store.write(put("beside"), END)
        go.set()
        with pytest.raises(StoreUnavailable):
            answer.result(END)
    assert "beside" in names(keeper.store)
    assert "hung" not in names(keeper.store)
    hung.write(put("again"))
    hung.close()


def test_one_reader_more_than_there_may_be_is_told_so_and_one_less_is_not(server: OwnPostgres, keeper: Keeper) -> None:
    few = open_store(server.as_ann(), settings=Settings(postgres_readers_max=2, postgres_wait_seconds=0.05))
    with few.read(), few.read(), pytest.raises(StoreUnavailable, match="all 2 readers are busy"), few.read():
        pass
    assert isinstance(names(few), set)
    few.close()


def test_a_read_that_takes_longer_than_it_may_is_ended(server: OwnPostgres, keeper: Keeper) -> None:
    hasty = open_store(server.as_ann(), settings=Settings(postgres_statement_seconds_max=0.05))
    with pytest.raises(StoreUnavailable, match="longer than it may"), hasty.read() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(20)")
    hasty.close()


def test_a_wrong_password_is_said_at_once_and_repeated_nowhere(server: OwnPostgres, tmp_path: Path) -> None:
    with pytest.raises(StoreBroken, match="access to the database was denied"):
        open_store(server.as_ann("not-hers"), writable=True)
    options = ("up", "--dir", tmp_path / "state", "--port", "0", "--json")
    places = {"denied": server.as_ann("not-hers"), "reached": f"postgresql://ann:{PASSWORD}@127.0.0.1:1/flight",
              "read": f"postgresql://ann:{PASSWORD}/x@here:port/flight"}  # fmt: skip
    for word, url in places.items():
        said = flightlog(*options, env={"FLIGHTLOG_STORE": url})
        assert said.code != 0
        assert word in said.problem["detail"], said.err
        assert not {"not-hers", PASSWORD} & set(said.err.replace("/", " ").replace(":", " ").split()), said.err
        assert PASSWORD not in said.err + said.out
        assert "not-hers" not in said.err + said.out


def test_a_password_among_the_arguments_is_refused(server: OwnPostgres, tmp_path: Path) -> None:
    said = flightlog("up", "--dir", tmp_path / "state", "--port", "0", "--store", server.as_ann(), "--json")
    assert said.code != 0
    assert "FLIGHTLOG_STORE" in said.problem["detail"]
    assert PASSWORD not in said.err + said.out

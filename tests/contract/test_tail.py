"""Following: every event once, in order, soon, for one reader and for many."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from flightlog.config import Settings
from flightlog.errors import CursorInvalid, FilterInvalid, LimitInvalid, StoreUnavailable
from flightlog.journal.append import Journal
from flightlog.journal.read import EventFilter
from flightlog.journal.tail import Tail, TailHub, Watcher
from flightlog.store.contract import Store
from tests.contract.backends import Backend
from tests.contract.making import event, numbers

WAIT = 20.0
R1 = EventFilter(run_id="r1")


def test_a_tail_gives_what_comes_after_its_id(store: Store, journal: Journal) -> None:
    journal.append([event(number) for number in range(5)])
    tail = Tail(store, after_id=2)
    assert numbers(tail.next(0)) == [2, 3, 4]
    assert tail.position == 5
    assert tail.next(0) == []


def test_a_tail_without_an_id_starts_at_the_end(store: Store, journal: Journal) -> None:
    journal.append([event(1)])
    tail = Tail(store)
    assert tail.next(0) == []
    journal.append([event(2)])
    assert numbers(tail.next(0)) == [2]


def test_a_tail_waits_for_the_next_commit(store: Store, journal: Journal) -> None:
    tail = Tail(store, R1, after_id=0)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(tail.next, WAIT)
        journal.append([event(0, run_id="other")])
        journal.append([event(1)])
        assert numbers(found.result(WAIT)) == [1]


def test_a_tail_in_another_process_waits_for_the_next_commit(store: Store, journal: Journal, backend: Backend) -> None:
    reader = backend.open(writable=False, settings=Settings(tail_poll_seconds=0.005))
    tail = Tail(reader, after_id=0)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(tail.next, WAIT)
        journal.append([event(1)])
        assert numbers(found.result(WAIT)) == [1]


def test_a_tail_gives_long_backlogs_in_pages(store: Store, journal: Journal) -> None:
    journal.append([event(number, run_id=f"r{number % 2}") for number in range(25)])
    tail = Tail(store, R1, after_id=0, limit=5)
    pages = [numbers(tail.next(0)) for _ in range(4)]
    assert pages == [[1, 3, 5, 7, 9], [11, 13, 15, 17, 19], [21, 23], []]
    assert tail.position == 25  # past the events of the other run, so that they are not looked at again


def test_a_tail_without_payloads(store: Store, journal: Journal) -> None:
    journal.append([event(1)])
    [found] = Tail(store, after_id=0, payloads=False).next(0)
    assert bytes(found.payload) == b"{}"


@pytest.mark.parametrize("after_id", [-1, 3, 2**70])
def test_an_id_from_another_journal_is_refused(store: Store, journal: Journal, after_id: int) -> None:
    journal.append([event(1), event(2)])
    with pytest.raises(CursorInvalid):
        Tail(store, after_id=after_id)


def test_bad_filters_and_limits_are_refused_at_once(store: Store) -> None:
    with pytest.raises(LimitInvalid):
        Tail(store, limit=0)
    with pytest.raises(FilterInvalid):
        Tail(store, EventFilter(levels=("loud",)))
    hub = TailHub(store)
    with pytest.raises(LimitInvalid):
        hub.watch(limit=10**9)
    hub.close()


def follow(watcher: Watcher | Tail, wanted: int) -> list[int]:
    """Read until so many have come, or nothing comes for long."""
    found: list[int] = []
    while len(found) < wanted and (events := watcher.next(WAIT)):
        found += numbers(events)
    return found


@pytest.mark.parametrize("writable", [True, False], ids=["here", "another process"])
def test_many_watchers_each_get_everything_once(
    store: Store, journal: Journal, backend: Backend, writable: bool
) -> None:
    reader = store if writable else backend.open(writable=False, settings=Settings(tail_poll_seconds=0.002))
    hub = TailHub(reader)
    watchers = [hub.watch(EventFilter(run_id=f"r{n % 3}") if n % 4 else EventFilter(), after_id=0) for n in range(12)]
    with ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(follow, w, 20 if n % 4 else 60) for n, w in enumerate(watchers)]
        for start in range(0, 60, 4):
            journal.append([event(number, run_id=f"r{number % 3}") for number in range(start, start + 4)])
        for n, answer in enumerate(answers):
            assert answer.result(WAIT) == (list(range(n % 3, 60, 3)) if n % 4 else list(range(60)))
    hub.close()


def test_watchers_in_asyncio_get_everything_once(store: Store, journal: Journal) -> None:
    hub = TailHub(store)

    async def watch(run_id: str) -> list[int]:
        found: list[int] = []
        with hub.watch(EventFilter(run_id=run_id), after_id=0, limit=7) as watcher:
            while len(found) < 30:
                found += numbers(await watcher.anext(WAIT))
        return found

    async def main() -> list[list[int]]:
        watching = [asyncio.create_task(watch(f"r{n % 2}")) for n in range(8)]
        for start in range(0, 60, 5):
            events = [event(number, run_id=f"r{number % 2}") for number in range(start, start + 5)]
            await asyncio.to_thread(journal.append, events)
        return await asyncio.wait_for(asyncio.gather(*watching), WAIT)

    for n, found in enumerate(asyncio.run(main())):
        assert found == list(range(n % 2, 60, 2))
    assert hub.watching == 0
    hub.close()


def test_a_cancelled_anext_loses_nothing(store: Store, journal: Journal) -> None:
    hub = TailHub(store)
    journal.append([event(number) for number in range(200)])

    async def main() -> list[int]:
        found: list[int] = []
        with hub.watch(after_id=0, limit=10) as watcher:
            while len(found) < 200:
                task = asyncio.create_task(watcher.anext(WAIT))
                await asyncio.sleep(0)
                task.cancel()
                try:
                    found += numbers(await task)
                except asyncio.CancelledError:
                    found += numbers(await watcher.anext(WAIT))
        return found

    assert asyncio.run(asyncio.wait_for(main(), WAIT)) == list(range(200))
    hub.close()


def test_anext_gives_up_when_its_time_is_over(store: Store) -> None:
    hub = TailHub(store)

    async def main() -> list[object]:
        with hub.watch() as watcher:
            return [await watcher.anext(0.02)]

    assert asyncio.run(main()) == [[]]
    hub.close()


def test_closing_the_hub_ends_who_waits_in_threads_and_in_asyncio(store: Store) -> None:
    hub = TailHub(store)
    waiting, waiting_too = hub.watch(), hub.watch()

    async def main() -> list[object]:
        ready.set()
        return [await waiting_too.anext(WAIT)]

    ready = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(waiting.next, WAIT), pool.submit(asyncio.run, main())]
        assert ready.wait(WAIT)
        started = time.monotonic()
        hub.close()
        assert answers[0].result(WAIT) == []
        assert answers[1].result(WAIT) == [[]]
        assert time.monotonic() - started < WAIT / 2
    hub.close()
    assert hub.watch().next(WAIT) == []


def test_a_watcher_meets_the_stores_error_itself(store: Store) -> None:
    hub = TailHub(store)
    watcher = hub.watch()
    store.close()
    with pytest.raises(StoreUnavailable):
        watcher.next(WAIT)
    hub.close()


def test_a_busy_journal_wakes_watchers_of_any_run(
    store: Store, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flightlog.journal.tail.LOOK_EVENTS_MAX", 3)
    hub = TailHub(store)
    with hub.watch(EventFilter(run_id="r9"), after_id=0) as watcher, ThreadPoolExecutor(1) as pool:
        found = pool.submit(follow, watcher, 1)
        journal.append([*(event(number) for number in range(10)), event(11, run_id="r9")])
        assert found.result(WAIT) == [11]
    hub.close()

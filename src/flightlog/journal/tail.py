"""Following the journal: every new event once, in order, within moments of its commit."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from sqlalchemy import select

from flightlog.config import Settings
from flightlog.errors import CursorInvalid, FlightlogError
from flightlog.events.envelope import StoredEvent
from flightlog.journal.filter import EVERYTHING, EventFilter
from flightlog.journal.history import line_of
from flightlog.journal.plan import Span
from flightlog.journal.read import DEFAULTS, check_limit, head_id, read_page
from flightlog.journal.table import run_events
from flightlog.store.contract import Store

# With more new events than this in one go, the hub wakes every watcher instead of asking whom they concern.
LOOK_EVENTS_MAX = 2_000
LOOK_SECONDS = 0.02  # commits that come closer together are looked at together


class _Reader:
    """What comes after a position. The position moves past what the filter leaves out, so nothing is read twice."""

    def __init__(self, store: Store, wanted: EventFilter, after_id: int | None, limit: int, payloads: bool) -> None:
        wanted.check()
        self.filter = wanted
        self._store = store
        self._limit = limit
        self._payloads = payloads
        with store.read() as connection:
            head = head_id(connection)
        if after_id is not None and not 0 <= after_id <= head:
            raise CursorInvalid(cursor=after_id)
        self.start = head if after_id is None else after_id

    def read(self, after_id: int) -> tuple[list[StoredEvent], int]:
        """The next events and the position after them."""
        with self._store.read() as connection:
            head = head_id(connection)
            span = Span(after_id, None, backwards=False)
            page = read_page(connection, self.filter, span, self._limit, payloads=self._payloads)
        return page.events, page.next_after_id or after_id if page.more else max(after_id, head)


class Tail:
    """One reader. `position` is the id to go on from: an SSE id, a remembered cursor. Without one it starts at the end.

    Raises CursorInvalid for an `after_id` that this journal has not given out yet.
    """

    def __init__(
        self,
        store: Store,
        filter: EventFilter = EVERYTHING,  # noqa: A002
        after_id: int | None = None,
        *,
        limit: int | None = None,
        payloads: bool = True,
        settings: Settings = DEFAULTS,
    ) -> None:
        self._reader = _Reader(store, filter, after_id, check_limit(limit, settings), payloads)
        self._signal = store.commits()
        self.position = self._reader.start

    def next(self, timeout: float | None = None) -> list[StoredEvent]:
        """The next events, oldest first; waits up to `timeout` seconds for the first. Empty when the time is up."""
        deadline = _deadline(timeout)
        while True:
            seen = self._signal.seen  # before reading, so that a commit in between is not slept through
            events, self.position = self._reader.read(self.position)
            left = _left(deadline)
            if events or left == 0.0:
                return events
            self._signal.wait(seen, left)


class Watcher:
    """One reader of a hub: `next` in a thread, `anext` in asyncio; not both at once. `position` is as in Tail."""

    def __init__(self, reader: _Reader, forget: Callable[[Watcher], None]) -> None:
        self.position = reader.start
        self.closed = False
        self._reader = reader
        self._forget = forget
        self._news = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_news: asyncio.Event | None = None

    def next(self, timeout: float | None = None) -> list[StoredEvent]:
        """As Tail.next; also returns empty once the watcher or its hub is closed."""
        deadline = _deadline(timeout)
        while not self.closed:
            self._news.clear()
            events, self.position = self._reader.read(self.position)
            left = _left(deadline)
            if events or left == 0.0:
                return events
            self._news.wait(left)
        return []

    async def anext(self, timeout: float | None = None) -> list[StoredEvent]:
        """The same for asyncio: the loop is never blocked, reads run in a thread. Cancelling it loses nothing."""
        if self._loop_news is None:
            self._loop_news = asyncio.Event()
            self._loop = asyncio.get_running_loop()
        deadline = _deadline(timeout)
        while not self.closed:
            self._loop_news.clear()
            events, position = await asyncio.to_thread(self._reader.read, self.position)
            self.position = position
            left = _left(deadline)
            if events or left == 0.0:
                return events
            try:
                await asyncio.wait_for(self._loop_news.wait(), left)
            except TimeoutError:
                pass  # one last look, then the time is up
        return []

    def close(self) -> None:
        """Stop watching. Safe to call twice."""
        if not self.closed:
            self.closed = True
            self._forget(self)
            self._wake()

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _concerns(self, runs: set[str | None] | None) -> bool:
        return runs is None or self._reader.filter.run_id is None or self._reader.filter.run_id in runs

    def _wake(self) -> None:
        self._news.set()
        loop, news = self._loop, self._loop_news
        if loop is not None and news is not None:
            try:
                loop.call_soon_threadsafe(news.set)
            except RuntimeError:
                pass  # the loop is closed, and with it whoever waited


class TailHub:
    """Many readers, one poller: make one per process, `watch` from threads or from asyncio."""

    def __init__(self, store: Store, *, settings: Settings = DEFAULTS) -> None:
        self.store = store
        self._settings = settings
        self._signal = store.commits()
        self._lock = threading.Lock()
        self._watchers: set[Watcher] = set()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def watch(
        self,
        filter: EventFilter = EVERYTHING,  # noqa: A002
        after_id: int | None = None,
        *,
        limit: int | None = None,
        payloads: bool = True,
    ) -> Watcher:
        """A new reader. Close it (it is a context manager) when its client has gone."""
        limit = check_limit(limit, self._settings)
        watcher = Watcher(_Reader(self.store, filter, after_id, limit, payloads), self._forget)
        with self._lock:
            if self._closed.is_set():
                watcher.closed = True
                return watcher
            self._watchers.add(watcher)
            if self._thread is None:
                self._thread = threading.Thread(target=self._poll, name="flightlog-tail", daemon=True)
                self._thread.start()
        # Commits between the watcher's first look and its registration have woken nobody.
        watcher._wake()
        return watcher

    @property
    def watching(self) -> int:
        """How many watchers are open."""
        return len(self._watchers)

    def close(self) -> None:
        """Wake and end every watcher, stop the poller. Safe to call twice."""
        with self._lock:
            self._closed.set()
            watchers, thread = list(self._watchers), self._thread
        for watcher in watchers:
            watcher.close()
        self._signal.notify()
        if thread is not None:
            thread.join()

    def _forget(self, watcher: Watcher) -> None:
        with self._lock:
            self._watchers.discard(watcher)

    def _poll(self) -> None:
        head = 0
        while not self._closed.wait(LOOK_SECONDS):
            seen = self._signal.seen
            if self._watchers:
                head = self._wake_concerned(head)
            if not self._closed.is_set():
                self._signal.wait(seen, 1.0)

    def _wake_concerned(self, head: int) -> int:
        try:
            runs, head = self._look(head)
        except FlightlogError:
            runs = None  # each watcher meets the error itself, in its own read
        with self._lock:
            concerned = [watcher for watcher in self._watchers if watcher._concerns(runs)]
        for watcher in concerned:
            watcher._wake()
        return head

    def _look(self, head: int) -> tuple[set[str | None] | None, int]:
        """The runs that have new events, or None for "maybe any"; and the head they were seen at."""
        with self.store.read() as connection:
            now = head_id(connection)
            if now == head:
                return set(), now
            if not head <= now <= head + LOOK_EVENTS_MAX or head < line_of(connection):
                return None, now
            wanted = select(run_events.c.run_id).where(run_events.c.id > head, run_events.c.id <= now).distinct()
            return set(connection.execute(wanted).scalars()), now


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())

"""Following the journal: every new event once, in order, within moments of its commit."""

from __future__ import annotations

from flightlog.config import Settings
from flightlog.events.envelope import StoredEvent
from flightlog.journal.read import EVERYTHING, EventFilter
from flightlog.store.contract import Store


class Tail:
    """One reader. `position` is the id to go on from (an SSE id, a remembered cursor); None starts at the end."""

    def __init__(
        self,
        store: Store,
        filter: EventFilter = EVERYTHING,  # noqa: A002
        after_id: int | None = None,
        *,
        limit: int | None = None,
        payloads: bool = True,
        settings: Settings | None = None,
    ) -> None:
        self.position = after_id or 0

    def next(self, timeout: float | None = None) -> list[StoredEvent]:
        """The next events, oldest first; waits up to `timeout` seconds for the first. Empty when the time is up."""
        raise NotImplementedError


class TailHub:
    """Many readers, one poller: start it once per process, `watch` from threads or from asyncio."""

    def __init__(self, store: Store, *, settings: Settings | None = None) -> None:
        self.store = store

    def watch(
        self,
        filter: EventFilter = EVERYTHING,  # noqa: A002
        after_id: int | None = None,
        *,
        limit: int | None = None,
        payloads: bool = True,
    ) -> Watcher:
        """A new reader. Close it (it is a context manager) when its client has gone."""
        raise NotImplementedError

    def close(self) -> None:
        """Wake and end every watcher, stop the poller. Safe to call twice."""
        raise NotImplementedError


class Watcher:
    """One reader of a hub: `next` in a thread, `anext` in asyncio; not both at once."""

    position: int
    closed: bool

    def next(self, timeout: float | None = None) -> list[StoredEvent]:
        """As Tail.next; also returns empty once the watcher or its hub is closed."""
        raise NotImplementedError

    async def anext(self, timeout: float | None = None) -> list[StoredEvent]:
        """The same for asyncio: the loop is never blocked, reads run in a thread."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop watching. Safe to call twice."""
        raise NotImplementedError

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""A recorder that keeps its events in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from flightlog.clock import Clock, FakeClock
from flightlog.config import Settings
from flightlog.events import wire
from flightlog.events.envelope import Event
from flightlog.ids import Ids, SequentialIds
from flightlog.recorder.client import Recorder
from flightlog.recorder.confirm import Seen as Sighting
from flightlog.recorder.health import OK, Tally
from flightlog.testing import recorded, story
from flightlog.testing.recorded import Recorded


class MemorySpool:
    """A spool in memory. `refuse` makes it drop every event for that reason, as a full disk would."""

    def __init__(self) -> None:
        self.producer_id = "memory"
        self.recorded = 0
        self.seq = 0
        self.rung = OK
        self.trouble: str | None = None
        self.tally = Tally()
        self.bodies: list[bytes] = []
        self.bytes_used = 0
        self.bytes_room = 0
        self._lock = threading.Lock()

    def append(self, body: bytes, level: str, run_id: str | None, now_ns: int) -> bool:
        with self._lock:
            if self.trouble is not None:
                self.tally.add(self.trouble, run_id, now_ns)
                return False
            self.seq += 1
            self.recorded += 1
            self.bodies.append(body)
            return True

    def lose(self, reason: str, run_id: str | None, now_ns: int) -> None:
        self.tally.add(reason, run_id, now_ns)

    def tend(self) -> None: ...
    def cut(self) -> None: ...
    def close(self) -> None: ...
    def after_fork_in_child(self, producer_id: str) -> None: ...
    def delivered(self) -> bool:
        return True


class _MemoryWatch:
    """What is in memory is stored."""

    def look(self) -> Sighting | None:
        return Sighting(None, is_orphan=False)

    def is_served(self) -> bool:
        return True

    def close(self) -> None: ...


class MemoryRecorder(Recorder):
    """A Recorder whose events stay in memory; redaction, truncation and checks are the real ones, and it is strict.

    Time stands still unless you move `rec.clock` (a FakeClock); ids count up from 1.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        ids: Ids | None = None,
        settings: Settings | None = None,
        strict: bool = True,
        actor: str | None = None,
        source: str | None = None,
    ) -> None:
        self.memory = MemorySpool()
        super().__init__(
            Path("memory"),
            settings=settings or Settings(),
            clock=clock or FakeClock(),
            ids=ids or SequentialIds(),
            spool=self.memory,
            strict=strict,
            actor=actor,
            source=source,
            witness=lambda event_id: _MemoryWatch(),
        )

    @property
    def events(self) -> list[Event]:
        """Everything recorded so far, in order."""
        return [wire.decode(body) for body in self.memory.bodies]

    def payloads(self, type: str) -> list[Any]:  # noqa: A002 - the envelope's own word
        """The payloads of all events of one type, as plain objects."""
        return [msgspec.json.decode(event.payload) for event in self.events if event.type == type]

    def find(self, type: str | None = None, /, payload: Any = None, **wanted: Any) -> list[Recorded]:  # noqa: A002
        """The events of a type whose fields are as wanted and whose payload holds at least `payload`; see `testing.find`."""
        return recorded.find(self.events, type, payload, **wanted)

    def one(self, type: str | None = None, /, payload: Any = None, **wanted: Any) -> Recorded:  # noqa: A002
        """The one event that `find` finds. Raises AssertionError, with what there was, where there is none or more than one."""
        return recorded.one(self.events, type, payload, **wanted)

    def tree(self) -> list[story.Node]:
        """Runs with the spans and events in them; see `testing.tree`."""
        return story.tree(self.events)

    def snapshot(self, *, payloads: bool = True, ignore: Iterable[str] = ()) -> str:
        """What was recorded as text that is the same in every run; see `testing.snapshot`."""
        return story.snapshot(self.events, payloads=payloads, ignore=ignore)

    def clear(self) -> None:
        """Forget what was recorded so far; ids and the clock go on."""
        self.memory.bodies.clear()

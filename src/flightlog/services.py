"""What the doors are handed: they make nothing of it themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from flightlog.clock import Clock, SystemClock
from flightlog.config import Settings
from flightlog.events.envelope import Event
from flightlog.ids import Ids, SystemIds
from flightlog.ingest.otlp.receive import Receiver
from flightlog.journal.append import Journal
from flightlog.journal.tail import TailHub
from flightlog.runs.pricing import PriceBook
from flightlog.store.contract import Store

if TYPE_CHECKING:
    from flightlog.archive.keeper import ArchiveHealth
    from flightlog.ingest.otlp.apart import Apart
    from flightlog.retention.janitor import Janitor
    from flightlog.seal.keeper import SealHealth  # with it comes cryptography
    from flightlog.seal.state import Log
    from flightlog.working.platform import Platform


class Intake(Protocol):
    """The care that every producer's events get before they touch a disk: redaction, then truncation."""

    def prepare(self, event: Event) -> Event:
        """The event as it may be stored, with `flags` that say what was done. Never raises for anything in the event."""

    def prepare_all(self, events: Sequence[Event]) -> list[Event]:
        """`prepare` for a batch."""


class DrainHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the spool is being emptied. `state` is here, elsewhere or nobody; the backlog is what still lies in the spool."""

    state: str
    error: str | None = None
    drained: int = 0
    backlog_bytes: int = 0
    backlog_segments: int = 0


@dataclass(frozen=True)
class Services:
    """The rooms behind the doors, and the ground they stand on.

    `drain` is None where nothing spools, `seal` where nothing seals, `archive` where nothing archives; `seal_folder` is where the
    signed tree lies, if there can be one. `folder` is what this process keeps on this machine. `retention` is who removes what is
    due, where somebody does; `platform` is where tasks are put in and done; `apart` reads large requests of OpenTelemetry.
    """

    store: Store
    journal: Journal
    hub: TailHub
    intake: Intake
    settings: Settings = field(default_factory=Settings)
    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = field(default_factory=SystemIds)
    drain: Callable[[], DrainHealth] | None = None
    seal: Callable[[], SealHealth] | None = None
    seal_folder: Path | None = None
    archive: Callable[[], ArchiveHealth] | None = None
    prices: PriceBook = field(default_factory=PriceBook)
    retention: Janitor | None = None
    folder: Path | None = None
    platform: Platform | None = None
    apart: Apart | None = None

    @cached_property
    def log(self) -> Log | None:
        """The signed tree and its keys, where this server keeps one."""
        if self.seal_folder is None:
            return None
        from flightlog.seal.keys import Keys
        from flightlog.seal.state import Log

        return Log(self.seal_folder, Keys(self.seal_folder, overlap_seconds=self.settings.seal_key_overlap_seconds))

    @cached_property
    def otlp(self) -> Receiver:
        """The way in for OpenTelemetry, the same for all of its doors."""
        return Receiver(self.journal, self.intake, self.settings, self.apart)

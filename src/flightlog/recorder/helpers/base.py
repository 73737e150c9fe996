"""What a helper stands on, and the mixin that puts the helpers on runs, spans and recorders."""

from __future__ import annotations

from typing import Any, Protocol

from flightlog.clock import Clock
from flightlog.config import Settings
from flightlog.ids import Ids
from flightlog.recorder.health import Degradation


class Emits(Protocol):
    """Something that events can be recorded through: a recorder, a run or a span."""

    @property
    def clock(self) -> Clock: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def settings(self) -> Settings: ...
    def emit(self, type: str, payload: object = None, **fields: Any) -> str:  # noqa: A002 - the envelope's own word
        """Record one event; see Recorder.emit for the fields. Never raises."""
        ...

    def degradation(self) -> Degradation | None:
        """The signal to hand on while persistence is degraded, else None."""
        ...


class Instruments:
    """The helpers, as methods."""

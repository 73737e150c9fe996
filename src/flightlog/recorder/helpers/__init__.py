"""Ready-made recording for what AI work is made of: model calls, tools, patches, tests, commands, errors, decisions."""

from __future__ import annotations

from flightlog.recorder.helpers.base import Emits, Instruments

__all__ = ["Emits", "Instruments"]

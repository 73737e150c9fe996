"""The drill of dead letters: samples are made, their replay is refused where it has to be, and done where it may be."""

from __future__ import annotations

from flightlog.drills.check import Check, Drill
from flightlog.drills.walk import Unproved, Walk


def _not_yet(_: Walk) -> str:
    raise Unproved("dead letters have no door yet")


def deadletters_drill(samples: int) -> Drill:
    """With so many samples; below 50 a replay needs no second confirmation, and there would be nothing to refuse."""
    return Drill("deadletters", (Check("samples", f"{samples} dead letters can be made", _not_yet),))

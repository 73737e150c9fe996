"""How far a report can be trusted, in words."""

from __future__ import annotations

from flightlog.console import format as fmt
from flightlog.reports.model import RunSeal

_CARE: dict[str, str] = {
    "truncated": "Long texts were cut to a preview",
    "redacted": "Secrets were taken out before anything touched a disk",
    "withheld": "The payload was not stored, because it could not be redacted",
    "erased": "The payload was erased since",
    "invalid": "The program that recorded broke a rule of the event's type",
    "orphan": "Its producer said that its task was not known",
    "imported": "Taken over from a file, with the file's own times",
}


def care_words(what: str) -> str:
    """What was done to payloads."""
    return _CARE[what]


def seal_words(seal: RunSeal) -> str:
    """What the seal says of the run.

    >>> seal_words(RunSeal(origin="o", trouble=None, sealed_id=50, signed_id=50, events=1, covered=1, first_id=7, last_id=7))
    'Sealed: its one event (7 to 7 of the journal) is under a signed checkpoint of 50 events of o; `flightlog verify` checks it.'
    """
    if not seal.events:
        return "There is nothing to seal: the run has no events."
    where = f"{seal.first_id} to {seal.last_id} of the journal"
    if seal.trouble:
        return f"Not to be believed: {seal.trouble}. `flightlog verify` says more."
    if not seal.covered:
        return f"Not sealed yet: no signed checkpoint covers the run's {fmt.counted(seal.events, 'event', 'events')} ({where})."
    under = f"a signed checkpoint of {fmt.counted(seal.signed_id, 'event', 'events')} of {seal.origin}"
    if seal.covered == seal.events:
        number = "its one event" if seal.events == 1 else f"all {fmt.count(seal.events)} events"
        be = "is" if seal.events == 1 else "are"
        return f"Sealed: {number} ({where}) {be} under {under}; `flightlog verify` checks it."
    return (
        f"Sealed in part: {fmt.count(seal.covered)} of {fmt.counted(seal.events, 'event', 'events')} ({where}) "
        f"are under {under}, the others are not yet."
    )

"""What we promised: the public names, written out by hand, so that none appears or goes by accident."""

from __future__ import annotations

import flightlog
import flightlog.testing


def test_the_package_offers_exactly_these_names() -> None:
    assert sorted(flightlog.__all__) == [
        "Asked",
        "AuditOutcome",
        "Degradation",
        "Event",
        "FlightlogError",
        "Grant",
        "Health",
        "Recorder",
        "Run",
        "Settings",
        "Span",
        "StoredEvent",
        "Verdict",
        "__version__",
        "current_run",
        "open",
    ]
    assert all(hasattr(flightlog, name) for name in flightlog.__all__)


def test_the_test_helpers_are_public_too() -> None:
    assert sorted(flightlog.testing.__all__) == [
        "FakeClock",
        "MemoryRecorder",
        "Node",
        "Recorded",
        "SequentialIds",
        "find",
        "one",
        "snapshot",
        "tree",
    ]


def test_public_things_say_what_they_promise() -> None:
    silent = [
        f"{owner.__name__}.{name}"
        for owner in (flightlog.Recorder, flightlog.Run, flightlog.Span, flightlog.Health, flightlog.Degradation)
        for name in ("", *vars(owner))
        if not name.startswith("_")
        and callable(thing := getattr(owner, name) if name else owner)
        and not (thing.__doc__ or "").strip()
    ]
    assert not silent, f"these have no docstring: {silent}"

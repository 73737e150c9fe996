"""What the doctor says about one thing."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

State = Literal["ok", "warn", "problem", "unknown"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. A `warn` or `problem` says in `advice` what to do; only a problem is a bad verdict."""

    name: str
    state: State
    text: str
    advice: str | None = None
    facts: dict[str, Any] = {}


def ok(name: str, text: str, **facts: Any) -> Finding:
    """All is well with this."""
    return Finding(name=name, state="ok", text=text, facts=facts)


def warn(name: str, text: str, advice: str, **facts: Any) -> Finding:
    """Worth knowing."""
    return Finding(name=name, state="warn", text=text, advice=advice, facts=facts)


def problem(name: str, text: str, advice: str, **facts: Any) -> Finding:
    """Something is wrong."""
    return Finding(name=name, state="problem", text=text, advice=advice, facts=facts)


def unknown(name: str, text: str, advice: str, **facts: Any) -> Finding:
    """It could not be looked at from here."""
    return Finding(name=name, state="unknown", text=text, advice=advice, facts=facts)

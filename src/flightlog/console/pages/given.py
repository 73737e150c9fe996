"""Feedback as pages show it: what holds now, and what was said before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from flightlog.console import format as fmt
from flightlog.console.page import href
from flightlog.console.payload import decoded, words
from flightlog.events.feedback import read_opinion
from flightlog.runs.feedback import Feedback, feedback_on, history_of
from flightlog.services import Services

HISTORIES_MAX = 20  # feedback with a key, whose history is read


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What was said under the same key before."""

    value: Annotated[str, "What it was."]
    when: Annotated[fmt.Moment, "When it was said."]


@dataclass(frozen=True, kw_only=True)
class Given:
    """One feedback as it holds now."""

    kind: Annotated[str, "score, thumb, label, comment or correction."]
    sign: Annotated[str, "A sign for the kind."]
    value: Annotated[str, "The score, up or down, the label, the correction; may be empty."]
    name: Annotated[str, "What is judged; may be empty."]
    comment: Annotated[str, "What was said about it; may be empty."]
    giver: Annotated[str, "Who judged, as far as that is known."]
    when: Annotated[fmt.Moment, "When that was."]
    href: Annotated[str, "The event that says so."]
    earlier: Annotated[list[Earlier], "What it was before, the latest first."]


def given_on(services: Services, generation_id: str) -> list[Given]:
    """What people think of a generation, the latest first."""
    found = feedback_on(services.store, generation_id=generation_id)[::-1]
    now = services.clock.now_ns()
    keyed = {one.feedback_id for one in [each for each in found if each.key][:HISTORIES_MAX]}
    return [_given(services, one, now, one.feedback_id in keyed) for one in found]


def sign_of(kind: str, value: str) -> str:
    """A sign for a kind of feedback.

    >>> sign_of("thumb", "down"), sign_of("score", "0.4")
    ('▼', '∅')
    """
    if kind == "thumb":
        return "▼" if value == "down" else "▲"
    return {"score": "∅", "label": "#"}.get(kind, "✎")


def _given(services: Services, one: Feedback, now_ns: int, keyed: bool) -> Given:
    value = _shown(one.kind, one.value_number, one.value_text)
    givers = [part for part in (one.actor, one.given_by) if part]
    return Given(
        kind=one.kind,
        sign=sign_of(one.kind, value),
        value=value,
        name=one.name or "",
        comment=one.comment or "",
        giver=", ".join(dict.fromkeys(givers)) or one.source or "",
        when=fmt.moment(one.created_at, now_ns),
        href=href(f"/events/{one.event_id}"),
        earlier=_earlier(services, one, now_ns) if keyed else [],
    )


def _earlier(services: Services, one: Feedback, now_ns: int) -> list[Earlier]:
    made = []
    for event in history_of(services.store, one.feedback_id)[-2::-1]:
        opinion = read_opinion(decoded(bytes(event.payload)))
        if opinion is not None:
            value = _shown(opinion.kind, opinion.number, opinion.text) or words(opinion.comment)
            made.append(Earlier(value=f"{opinion.kind} {value}".strip(), when=fmt.moment(event.created_at, now_ns)))
    return made


def _shown(kind: str, number: float | None, text: str | None) -> str:
    if kind == "score" and number is not None:
        return f"{number:g}" + (f" {text}" if text else "")
    return text or ""

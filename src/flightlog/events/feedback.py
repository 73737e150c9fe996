"""What a feedback event says: its payload read once, the same way for every door and for the projection."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

KINDS: tuple[str, ...] = ("score", "thumb", "label", "comment", "correction")
THUMBS: tuple[str, ...] = ("up", "down")
GIVERS: tuple[str, ...] = ("user", "reviewer", "model", "code")
TARGET_TYPES: tuple[str, ...] = ("generation", "span", "run")

# Characters. What stands in lists and indexes is short; what was said about it is as long as a payload may be.
TARGET_CHARS_MAX = 400
KEY_CHARS_MAX = 256
NAME_CHARS_MAX = 256
LABEL_CHARS_MAX = 1_000

_NUMBER_MAX = 1e300


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody thinks of something. `number` is the score, or 1 and 0 for a thumb up and down; `text` is the word of a
    thumb or label, or the correction (as JSON where it is no text). One of them at most is there.
    """

    target_id: str
    target_type: str | None
    kind: str
    name: str | None
    number: float | None
    text: str | None
    comment: str | None
    given_by: str | None
    key: str | None


def read_opinion(payload: Mapping[str, Any]) -> Opinion | None:
    """The opinion in a payload, whatever it breaks; None where it is about nothing.

    >>> said = read_opinion({"target_id": "r1", "value": "up"})
    >>> said.kind, said.number, said.text
    ('thumb', 1.0, 'up')
    """
    target = _text(payload.get("target_id"))
    if not target:
        return None
    value, comment = payload.get("value"), _text(payload.get("comment"))
    kind = payload.get("kind") if payload.get("kind") in KINDS else kind_of(value, comment)
    number, text = _NUMBERS.get(str(kind), _as_text)(value)
    if kind == "comment" and comment is None:
        comment, text = text, None
    elif text is None and kind == "score":
        text = _label_of(payload)
    target_type = payload.get("target_type")
    return Opinion(
        target_id=target,
        target_type=target_type if target_type in TARGET_TYPES else None,
        kind=str(kind),
        name=_text(payload.get("name")),
        number=number,
        text=text,
        comment=comment,
        given_by=_text(payload.get("given_by")),
        key=_text(payload.get("key")) or None,
    )


def kind_of(value: object, comment: str | None) -> str:
    """The kind that somebody means who does not say.

    >>> kind_of(0.5, None), kind_of("up", None), kind_of("spam", None), kind_of({"role": "user"}, None), kind_of(None, "so")
    ('score', 'thumb', 'label', 'correction', 'comment')
    """
    if isinstance(value, bool) or value in THUMBS:
        return "thumb"
    if isinstance(value, int | float):
        return "score"
    if value is None:
        return "comment"
    return "label" if isinstance(value, str) else "correction"


def fault_of(payload: Mapping[str, Any]) -> str | None:
    """What is wrong with a payload that somebody hands in, in words; None when it can be taken.

    >>> fault_of({"target_id": "r1", "kind": "thumb", "value": "sideways"})
    "a thumb is up or down, not 'sideways'"
    """
    for field, limit in _LIMITS.items():
        text = payload.get(field)
        if text is not None and not isinstance(text, str):
            return f"{field} is a text"
        if text is not None and len(text) > limit:
            return f"{field} has {len(text)} characters; at most {limit} are kept"
    for field, words in _WORDS.items():
        word = payload.get(field)
        if word is not None and word not in words:
            return f"{field} is one of {', '.join(words)}, not {_short(word)}"
    comment = payload.get("comment")
    if comment is not None and not isinstance(comment, str):
        return "comment is a text"
    if not payload.get("target_id"):
        return "it needs a target: the id of a generation, a span or a run"
    value = payload.get("value")
    return _VALUE_FAULTS[payload.get("kind") or kind_of(value, comment)](value, comment)


_LIMITS = {"target_id": TARGET_CHARS_MAX, "key": KEY_CHARS_MAX, "name": NAME_CHARS_MAX}
_WORDS = {"kind": KINDS, "given_by": GIVERS, "target_type": TARGET_TYPES}


def _score_fault(value: object, comment: str | None) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"a score is a number, not {_short(value)}"
    return None if _number(value) is not None else f"a score is a finite number, not {_short(value)}"


def _thumb_fault(value: object, comment: str | None) -> str | None:
    return None if value in THUMBS else f"a thumb is up or down, not {_short(value)}"


def _label_fault(value: object, comment: str | None) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return f"a label is a text, not {_short(value)}"
    return None if len(value) <= LABEL_CHARS_MAX else f"a label has at most {LABEL_CHARS_MAX} characters"


def _comment_fault(value: object, comment: str | None) -> str | None:
    if value is not None and (comment or not isinstance(value, str)):
        return "the text of a comment is its comment; it has no value beside it"
    text = comment or (value if isinstance(value, str) else "")
    return None if text.strip() else "a comment is a text, and this one is empty"


def _correction_fault(value: object, comment: str | None) -> str | None:
    return "a correction has the corrected answer as its value" if value is None else None


_VALUE_FAULTS = {
    "score": _score_fault,
    "thumb": _thumb_fault,
    "label": _label_fault,
    "comment": _comment_fault,
    "correction": _correction_fault,
}


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _label_of(payload: Mapping[str, Any]) -> str | None:
    """What an evaluation says in a word that its score means."""
    attributes = payload.get("attributes")
    beside = attributes.get("label") if isinstance(attributes, dict) else None
    return _text(payload.get("label")) or _text(beside)


def _as_score(value: object) -> tuple[float | None, str | None]:
    number = None if isinstance(value, bool) else _number(value)
    return number, None if number is not None else _whole(value)


def _as_thumb(value: object) -> tuple[float | None, str | None]:
    word = THUMBS[not value] if isinstance(value, bool) else value
    return (float(word == "up"), str(word)) if word in THUMBS else (None, _whole(value))


def _as_text(value: object) -> tuple[float | None, str | None]:
    return None, _whole(value)


_NUMBERS = {"score": _as_score, "thumb": _as_thumb}


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or not -_NUMBER_MAX < value < _NUMBER_MAX or not math.isfinite(value):
        return None
    return float(value)


def _whole(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (ValueError, OverflowError, TypeError, RecursionError):
        return str(value)  # such as a whole number that no JSON reader takes


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"

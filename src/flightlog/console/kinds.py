"""Event types by the kind of work that they tell of: one colour and one word each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Kind(NamedTuple):
    """`key` is the class in the style sheet and the name in links; `types` is empty for the kind of all the rest."""

    key: str
    word: str
    types: tuple[str, ...]


KINDS: tuple[Kind, ...] = (
    Kind("llm", "model", ("llm_request", "llm_response")),
    Kind("tool", "tools", ("tool_call", "tool_result")),
    Kind("exec", "commands", ("exec_started", "exec_result")),
    Kind("patch", "patches", ("patch_proposed", "patch_applied")),
    Kind("test", "tests", ("test_started", "test_result")),
    Kind("decide", "decisions", ("capability_decision",)),
    Kind("err", "errors", ("error",)),
    Kind("lost", "losses", ("degraded",)),
    Kind("log", "logs", ("log",)),
    Kind("metric", "metrics", ("metric",)),
    Kind("note", "other", ()),
)
OTHER = KINDS[-1]
BY_TYPE: dict[str, Kind] = {name: kind for kind in KINDS for name in kind.types}

# A sign of life says nothing about the work.
_UNCOUNTED = frozenset({"run_heartbeat"})


class Segment(NamedTuple):
    """A stretch of a bar, in hundredths of its length."""

    key: str
    x: float
    width: float


class Share(NamedTuple):
    """How much of a run is of one kind."""

    kind: Kind
    number: int
    types: tuple[str, ...]


def kind_of(type_: str) -> Kind:
    """The kind of an event type."""
    return BY_TYPE.get(type_, OTHER)


def shares(counts: Mapping[str, int]) -> list[Share]:
    """The kinds that a run has events of, in the order of the table, with the types behind each."""
    found: dict[str, list[str]] = {}
    for name in sorted(counts):
        if name not in _UNCOUNTED:
            found.setdefault(kind_of(name).key, []).append(name)
    return [
        Share(kind, sum(counts[name] for name in found[kind.key]), tuple(found[kind.key]))
        for kind in KINDS
        if kind.key in found
    ]


def bar(counts: Mapping[str, int]) -> list[Segment]:
    """The kinds as a bar of length 100.

    >>> bar({"llm_request": 1, "tool_call": 3})
    [Segment(key='llm', x=0.0, width=25.0), Segment(key='tool', x=25.0, width=75.0)]
    """
    parts = shares(counts)
    total = sum(part.number for part in parts)
    made: list[Segment] = []
    x = 0.0
    for part in parts:
        width = round(100 * part.number / total, 2)
        made.append(Segment(part.kind.key, round(x, 2), width))
        x += width
    return made


def in_words(counts: Mapping[str, int]) -> str:
    """The same for who can't see it.

    >>> in_words({"llm_request": 1, "tool_call": 3})
    '1 model, 3 tools'
    """
    return ", ".join(f"{part.number} {part.kind.word}" for part in shares(counts)) or "none"

"""As much of PromQL as it takes to say which metrics and labels an expression names. `promtool` checks the rest."""

from __future__ import annotations

import re
from typing import NamedTuple

WORDS = frozenset(
    {
        *(
            "sum",
            "max",
            "min",
            "avg",
            "count",
            "by",
            "without",
            "or",
            "and",
            "unless",
            "on",
            "ignoring",
            "bool",
            "offset",
        ),
        *("rate", "increase", "histogram_quantile", "predict_linear", "vector", "label_values"),
    }
)
GROUPING = frozenset({"by", "without", "on", "ignoring"})
_TOKEN = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<range>\[[^\]]*\])|(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)"""
    r"""|(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)|(?P<sign>=~|!~|==|!=|>=|<=|[-+*/%^<>=(){},])|(?P<space>\s+)"""
)


class Named(NamedTuple):
    """The metrics that an expression names, each with the labels asked of it, and the labels it groups by."""

    metrics: dict[str, set[str]]
    grouped: set[str]


def names_in(expression: str) -> Named:
    """What an expression names. Raises ValueError for what it can't read."""
    tokens = tokens_of(expression)
    metrics: dict[str, set[str]] = {}
    grouped: set[str] = set()
    place = 0
    while place < len(tokens):
        kind, text = tokens[place]
        place += 1
        if kind != "name" or (text in WORDS and text not in GROUPING):
            continue
        if text in GROUPING:
            place, names = _names_until(")", tokens, place)
            grouped |= names
        else:
            labels = metrics.setdefault(text, set())
            if place < len(tokens) and tokens[place][1] == "{":
                place, names = _names_until("}", tokens, place)
                labels |= names
    if not metrics:
        raise ValueError(f"no metric in {expression!r}")
    return Named(metrics, grouped)


def tokens_of(expression: str) -> list[tuple[str, str]]:
    """The tokens, each with its kind."""
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(expression):
        found = _TOKEN.match(expression, at)
        if found is None or found.lastgroup is None:
            raise ValueError(f"can't read {expression[at:]!r}")
        if found.lastgroup != "space":
            tokens.append((found.lastgroup, found[0]))
        at = found.end()
    return tokens


def _names_until(end: str, tokens: list[tuple[str, str]], place: int) -> tuple[int, set[str]]:
    names: set[str] = set()
    while tokens[place][1] != end:
        if tokens[place][0] == "name":
            names.add(tokens[place][1])
        place += 1
    return place, names

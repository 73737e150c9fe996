"""What is compiled, once for all redactors that are set up alike, at the first of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from flightlog.recorder.redaction.finder import Finder, Judge, Pattern, options, searcher
from flightlog.recorder.redaction.judge import JUDGES, is_template, name_of, strings_under
from flightlog.recorder.rules import RULES, Rule, names
from flightlog.recorder.rules.rule import Run
from flightlog.recorder.rules.tokens import TOKENS

_FIRST_LOOK = 12  # letters of a token that the first look counts; the whole is checked where that many are found


class Engine(NamedTuple):
    """`first` is the one scan of encoded bytes; `structure` looks across the strings of an event, `text` inside one."""

    first: Callable[[bytes, int], tuple[int, int]]
    structure: Finder
    text: tuple[Finder, ...]


@lru_cache(maxsize=8)
def engine(keys: tuple[str, ...], plain: tuple[str, ...]) -> Engine:
    """The engine for these extra keys, and these patterns of a caller for the first scan."""
    triggers = [trigger for rule in RULES for trigger in rule.triggers]
    triggers += names.triggers(keys)
    triggers += (pattern.encode().decode("latin-1") for pattern in plain)
    joined = "|".join(f"(?:{trigger})" for trigger in triggers).encode("latin-1")
    contexts = [pattern for rule in RULES if rule not in TOKENS for pattern in _of_context(rule)]
    structure = Finder([_of_name(named, keys) for named in names.structure(keys)])
    # A JWT may go on for long before it turns out to be none, so it has a search of its own.
    apart = [pattern for pattern in contexts if pattern.rule == "jwt"]
    together = [pattern for pattern in contexts if pattern.rule != "jwt"]
    text = (
        Finder([_of_token(rule) for rule in TOKENS]),
        Finder(apart),
        Finder(together),
        structure,
        Finder([_of_name(named, keys) for named in names.text(keys)]),
    )
    return Engine(searcher(joined, options(captures=False)), structure, text)


def _of_token(rule: Rule) -> Pattern:
    (pattern,) = rule.patterns
    first = rule.parts[0]
    if isinstance(first, Run):
        return Pattern(rule.name, pattern, JUDGES.get(rule.judge))
    words = tuple(word.encode() for word in first)
    return Pattern(rule.name, pattern, JUDGES.get(rule.judge), find=_first_look(rule), words=words)


def _first_look(rule: Rule) -> str:
    """The beginning of a token, up to a run that is long enough."""
    made = r"\b" if rule.patterns[0].startswith(r"\b") else ""
    for part, pattern in rule.spelled():
        if isinstance(part, Run) and part.least > _FIRST_LOOK:
            return f"{made}[{part.letters}]{{{_FIRST_LOOK}}}"
        made += pattern
    return made


def _of_context(rule: Rule) -> list[Pattern]:
    return [Pattern(rule.name, pattern, JUDGES.get(rule.judge)) for pattern in rule.patterns]


def _of_name(named: names.Pattern, keys: tuple[str, ...]) -> Pattern:
    judge = JUDGES.get(named.judge)
    if keys and names.any_name(keys) in named.pattern:
        judge = _also(judge, frozenset(names.normal(key.encode()) for key in keys))
    many = strings_under if named.judge == "container" else None
    return Pattern(named.rule, named.pattern, judge, run=named.run, many=many)


_BUILT_IN = re.compile((names.any_name(()) + "$").encode())


def _also(judge: Judge | None, keys: frozenset[bytes]) -> Judge:
    """A judge that also knows a caller's keys. Such a key is the whole name, not its end, and its value always counts."""

    def judged(text: bytes, begin: int, start: int, end: int) -> bool:
        name = name_of(text, begin, start)
        if names.normal(name) in keys:
            return not is_template(text[start:end])
        return _BUILT_IN.search(name) is not None and (judge is None or judge(text, begin, start, end))

    return judged

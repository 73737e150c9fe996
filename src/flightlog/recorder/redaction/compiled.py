"""What is compiled, once for all redactors that are set up alike, at the first of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property, lru_cache

from flightlog.recorder.redaction.finder import Finder, Judge, Pattern, Span, searcher
from flightlog.recorder.redaction.judge import JUDGES, is_template, name_of, strings_under
from flightlog.recorder.rules import RULES, Rule, names
from flightlog.recorder.rules.contexts import CONTEXTS
from flightlog.recorder.rules.rule import Run
from flightlog.recorder.rules.tokens import TOKENS

_FIRST_LOOK = 12  # letters of a token that the first look counts; the whole is checked where that many are found


class Engine:
    """`first` is the one scan of encoded bytes; `structure` looks across the strings of an event, `text` inside one.

    The latter two are compiled at the first hit.
    """

    def __init__(self, keys: tuple[str, ...], plain: tuple[str, ...]) -> None:
        triggers = [trigger for rule in RULES for trigger in rule.triggers]
        triggers += names.triggers(keys)
        triggers += (pattern.encode().decode("latin-1") for pattern in plain)
        self.first: Callable[[bytes, int], Span] = searcher("|".join(f"(?:{t})" for t in triggers).encode("latin-1"))
        self._keys = keys

    @cached_property
    def structure(self) -> Finder:
        return Finder([_of_name(named, self._keys) for named in names.structure(self._keys)])

    @cached_property
    def text(self) -> tuple[Finder, ...]:
        contexts = [pattern for rule in CONTEXTS for pattern in _of_context(rule)]
        # A JWT may go on for long before it turns out to be none, so it has a search of its own.
        # Formats that begin with letters of any kind keep a search busy at every word, so they have theirs as well.
        loose = [rule for rule in TOKENS if isinstance(rule.parts[0], Run)]
        return (
            Finder([_of_token(rule) for rule in TOKENS if rule not in loose]),
            Finder([_of_token(rule) for rule in loose]),
            Finder([pattern for pattern in contexts if pattern.rule == "jwt"]),
            Finder([pattern for pattern in contexts if pattern.rule != "jwt"]),
            self.structure,
            Finder([_of_name(named, self._keys) for named in names.text(self._keys)]),
        )


@lru_cache(maxsize=8)
def engine(keys: tuple[str, ...], plain: tuple[str, ...]) -> Engine:
    """The engine for these extra keys, and these patterns of a caller for the first scan."""
    return Engine(keys, plain)


def _of_token(rule: Rule) -> Pattern:
    (pattern,) = rule.patterns
    judge = JUDGES.get(rule.judge)
    first = rule.parts[0]
    if isinstance(first, Run):
        return Pattern(rule.name, pattern, judge)
    words = tuple(word.encode() for word in first)
    look = _first_look(rule)
    if judge is None:
        return Pattern(rule.name, pattern, find=look, words=words)
    # What may be turned down is matched no further than needed, and followed to its end when accepted.
    whole = re.compile("".join(part for _, part in rule.spelled()).encode())
    return Pattern(rule.name, pattern.replace(",})", "})"), judge, find=look, words=words, run=whole)


def _first_look(rule: Rule) -> str:
    """The beginning of a token, up to a run that is long enough."""
    made = ""
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


def _also(judge: Judge | None, keys: frozenset[bytes]) -> Judge:
    """A judge that also knows a caller's keys. Such a key is the whole name, not its end, and its value always counts."""
    built_in = re.compile((names.any_name(()) + "$").encode())

    def judged(text: bytes, begin: int, start: int, end: int) -> bool:
        name = name_of(text, begin, start)
        if names.normal(name) in keys:
            return not is_template(text[start:end])
        return built_in.search(name) is not None and (judge is None or judge(text, begin, start, end))

    return judged

"""The little language of filters: read here, once, for the console, the API and the command line.

    query  = [term *(space term)]                 all terms hold
    term   = ["-"] (field ":" value *("," value) | text)
    value  = word | quoted | bound | word ".." word
    bound  = (">" | ">=" | "<" | "<=") word

A word ends at white space, a comma or a quote; `*` in it stands for any text. Between quotes everything is itself, but for
`\\"` and `\\\\`.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from flightlog.errors import QueryInvalid
from flightlog.filters.fields import RANGED, Field, Scope

CHARS_MAX = 2_000
TERMS_MAX = 50
VALUES_MAX = 200

_BOUNDS = (">=", "<=", ">", "<")


@dataclass(frozen=True)
class Value:
    """One value of a term. `bound` is one of > >= < <=, or `..` with `to` as the other end; empty for a plain value."""

    text: str
    quoted: bool = False
    bound: str = ""
    to: str = ""
    at: int = dataclasses.field(default=0, compare=False)
    length: int = dataclasses.field(default=0, compare=False)

    @property
    def is_pattern(self) -> bool:
        """Whether a star in it stands for any text."""
        return not self.quoted and not self.bound and "*" in self.text

    def __str__(self) -> str:
        if self.bound == "..":
            return f"{self.text}..{self.to}"
        if self.bound:
            return self.bound + self.text
        return quote(self.text) if self.quoted else self.text


@dataclass(frozen=True)
class Term:
    """A field and its alternatives; the field of a bare word or a quoted text is empty."""

    field: str
    values: tuple[Value, ...]
    negated: bool = False
    at: int = dataclasses.field(default=0, compare=False)
    length: int = dataclasses.field(default=0, compare=False)

    def __str__(self) -> str:
        sign = "-" if self.negated else ""
        if not self.field:
            return sign + str(self.values[0])
        return f"{sign}{self.field}:{','.join(str(value) for value in self.values)}"


@dataclass(frozen=True)
class Query:
    """What was asked for, term by term. Printed, it reads the same again."""

    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return " ".join(str(term) for term in self.terms)

    def values(self, name: str) -> tuple[str, ...]:
        """The plain values that the un-negated terms of a field ask for.

        >>> from flightlog.filters.fields import RUNS
        >>> parse("status:failed,hung cost:>1", RUNS).values("status")
        ('failed', 'hung')
        """
        return tuple(
            value.text
            for term in self.terms
            if term.field == name and not term.negated
            for value in term.values
            if not value.bound
        )

    def with_value(self, name: str, value: str) -> Query:
        """The query that also lets this value of a field through, as one more alternative if there are some.

        >>> from flightlog.filters.fields import RUNS
        >>> str(parse("status:failed login", RUNS).with_value("status", "hung"))
        'status:failed,hung login'
        """
        new = Value(value, quoted=_needs_quotes(value))
        for place, term in enumerate(self.terms):
            if term.field == name and not term.negated and not any(v.bound for v in term.values):
                if any(v.text == value for v in term.values):
                    return self
                wider = replace(term, values=(*term.values, new))
                return Query((*self.terms[:place], wider, *self.terms[place + 1 :]))
        return Query((*self.terms, Term(name, (new,))))

    def without(self, name: str, value: str | None = None) -> Query:
        """The query without this value of a field, or without the field; negated terms stay.

        >>> from flightlog.filters.fields import RUNS
        >>> str(parse("status:failed,hung login", RUNS).without("status", "hung"))
        'status:failed login'
        """
        kept: list[Term] = []
        for term in self.terms:
            if term.field != name or term.negated:
                kept.append(term)
            elif value is not None:
                rest = tuple(v for v in term.values if v.text != value or v.bound)
                if rest:
                    kept.append(replace(term, values=rest))
        return Query(tuple(kept))

    def without_term(self, place: int) -> Query:
        """The query without one of its terms."""
        return Query((*self.terms[:place], *self.terms[place + 1 :]))


def quote(text: str) -> str:
    r"""The text between quotes.

    >>> quote('say "hi"')
    '"say \\"hi\\""'
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _needs_quotes(text: str) -> bool:
    return not text or text.startswith((">", "<")) or any(char.isspace() or char in '",*' for char in text)


def parse(text: str, scope: Scope) -> Query:
    """What the text asks for. Raises QueryInvalid with the place of what can't be read, in characters from 0.

    >>> from flightlog.filters.fields import RUNS
    >>> query = parse('status:failed model:gpt* cost:>0.1 "log in"', RUNS)
    >>> [str(term) for term in query.terms]
    ['status:failed', 'model:gpt*', 'cost:>0.1', '"log in"']
    >>> parse("stauts:failed", RUNS)
    Traceback (most recent call last):
    flightlog.errors.QueryInvalid: The query can't be read at character 0: there is no field 'stauts' (did you mean 'status'?).
    """
    if len(text) > CHARS_MAX:
        raise QueryInvalid(
            reason=f"it has more than {CHARS_MAX} characters", at=CHARS_MAX, length=len(text) - CHARS_MAX
        )
    terms = tuple(_Reader(text, scope).read())
    if len(terms) > TERMS_MAX:
        late = terms[TERMS_MAX]
        raise QueryInvalid(reason=f"at most {TERMS_MAX} terms are taken", at=late.at, length=late.length)
    return Query(terms)


class _Word(NamedTuple):
    text: str
    quoted: bool
    at: int
    length: int


class _Reader:
    """Goes over the text once, from left to right."""

    def __init__(self, text: str, scope: Scope) -> None:
        self._text = text
        self._scope = scope
        self._at = 0

    def read(self) -> Iterable[Term]:
        while self._skip_space():
            yield self._term()

    def _skip_space(self) -> bool:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._at < len(self._text)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _term(self) -> Term:
        start = self._at
        negated = self._peek() == "-"
        if negated:
            self._at += 1
            if not self._peek() or self._peek().isspace():
                raise QueryInvalid(reason="a term follows the minus sign", at=start, length=1)
        name = self._name()
        if name is None:
            word = self._quoted() if self._peek() == '"' else self._bare()
            value = Value(word.text, word.quoted, at=word.at, length=word.length)
            if not word.text.strip():
                raise QueryInvalid(reason="there is nothing to look for", at=start, length=self._at - start)
            return Term("", (value,), negated, start, self._at - start)
        known = self._scope.fields[name]
        values = [self._value(known)]
        while self._peek() == ",":
            self._at += 1
            values.append(self._value(known))
        if len(values) > VALUES_MAX:
            raise QueryInvalid(reason=f"at most {VALUES_MAX} values are taken", at=start, length=self._at - start)
        if self._peek() and not self._peek().isspace():
            raise QueryInvalid(reason="a space or a comma follows a value", at=self._at, length=1)
        return Term(name, tuple(values), negated, start, self._at - start)

    def _name(self) -> str | None:
        """The field that the term begins with, or None where it is text."""
        end = self._at
        while end < len(self._text) and (self._text[end].isalnum() or self._text[end] in "_."):
            end += 1
        if end == self._at or self._text[end : end + 1] != ":":
            return None
        name = self._text[self._at : end]
        if name not in self._scope.fields:
            near = difflib.get_close_matches(name, self._scope.fields, 1)
            hint = (
                f" (did you mean {near[0]!r}?)"
                if near
                else f" (text with a colon goes in quotes: {quote(name + ':…')})"
            )
            raise QueryInvalid(reason=f"there is no field {name!r}{hint}", at=self._at, length=len(name))
        self._at = end + 1
        return name

    def _value(self, known: Field) -> Value:
        start = self._at
        if self._peek() == '"':
            word = self._quoted()
            return Value(word.text, True, at=start, length=self._at - start)
        bound = next((sign for sign in _BOUNDS if self._text.startswith(sign, self._at)), "")
        if bound and known.kind not in RANGED:
            reason = f"{known.name} is not a number, so {bound} says nothing of it"
            raise QueryInvalid(reason=reason, at=start, length=len(bound))
        self._at += len(bound)
        word = self._word()
        if not word.text:
            reason = f"a value follows {known.name}:{bound}"
            raise QueryInvalid(
                reason=reason, at=start, length=max(1, self._at - start) if start < len(self._text) else 0
            )
        if not bound and known.kind in RANGED and ".." in word.text:
            low, _, high = word.text.partition("..")
            if not low or not high:
                raise QueryInvalid(reason="a range has two ends, as in 1..5", at=start, length=word.length)
            return Value(low, False, "..", high, start, word.length)
        if known.kind in RANGED and "*" in word.text:
            raise QueryInvalid(reason=f"{known.name} is a number", at=start, length=word.length)
        return Value(word.text, False, bound, "", start, self._at - start)

    def _word(self) -> _Word:
        start = self._at
        while self._peek() and not self._peek().isspace() and self._peek() not in '",':
            self._at += 1
        return _Word(self._text[start : self._at], False, start, self._at - start)

    def _bare(self) -> _Word:
        start = self._at
        while self._peek() and not self._peek().isspace():
            self._at += 1
        return _Word(self._text[start : self._at], False, start, self._at - start)

    def _quoted(self) -> _Word:
        start = self._at
        self._at += 1
        made: list[str] = []
        while (char := self._peek()) != '"':
            if not char:
                raise QueryInvalid(reason="the quote is not closed", at=start, length=len(self._text) - start)
            if char == "\\" and self._text[self._at + 1 : self._at + 2] in ('"', "\\"):
                self._at += 1
                char = self._peek()
            made.append(char)
            self._at += 1
        self._at += 1
        return _Word("".join(made), True, start, self._at - start)

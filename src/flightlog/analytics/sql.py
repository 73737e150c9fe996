# ruff: noqa: S608 - what people write goes in as parameters; the rest are words of ours
"""A question as SQL over the rows of events, the same for SQLite, PostgreSQL and DuckDB but for a few words.

Rows have the columns of an archive file, whether they come from one or are put together from the journal's tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from flightlog.analytics.question import Question
from flightlog.analytics.rounding import MIDDLE, shifts
from flightlog.analytics.subjects import Number, Subject
from flightlog.errors import FilterInvalid
from flightlog.journal.asking import like_text
from flightlog.journal.condition import Condition
from flightlog.journal.filter import INT64_MAX, is_storable

# A sum is kept as whole billions and the rest, which 64 bits hold whatever was recorded.
PART = 1_000_000_000


class Words(NamedTuple):
    """How a database says it."""

    divide: str
    # Letters in any case, of the Latin alphabet alone, as SQLite has it.
    like: str
    # A sum in two parts: whole billions and the rest.
    sum: tuple[str, str]


SQLITE = Words("/", r"{column} LIKE {value} ESCAPE '\'", (f"sum({{column}} / {PART})", f"sum({{column}} % {PART})"))
_LATIN = "'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'"
# Its sums have 128 bits.
DUCKDB = Words(
    "//",
    rf"translate({{column}}, {_LATIN}) LIKE translate({{value}}, {_LATIN}) ESCAPE '\'",
    ("0", "sum({column})"),
)


# It sums up bigints without end, and says them as decimals.
POSTGRESQL = Words("/", DUCKDB.like, ("0", "sum({column})"))
HOT = {"sqlite": SQLITE, "postgresql": POSTGRESQL}


class Asked(NamedTuple):
    """SQL and what goes into it."""

    sql: str
    parameters: list[Any]


class Chosen(NamedTuple):
    """Groups that are told apart; all others are one."""

    values: tuple[str | None, ...]


OTHERS = "+"  # the key of all others; that of a value is "=" and the value


def sums(question: Question, rows: Asked, words: Words, chosen: Chosen | None = None, most: int | None = None) -> Asked:
    """One row for each key and bucket: key, bucket, then the numbers, a sum in two parts."""
    columns = [part for one in question.numbers for part in _sum_parts(one, words)]
    return _grouped(question, rows, columns, [], words, chosen, most)


def values(question: Question, number: Number, rows: Asked, words: Words) -> Asked:
    """One row for each value that is known: key, bucket, value."""
    key = f"CASE WHEN {_key(question)} IS NOT NULL THEN '=' || {_key(question)} END"
    sql = f"SELECT {key}, {_time(question, words)}, {number.sql} FROM ({rows.sql}) AS r WHERE {number.sql} IS NOT NULL"
    return Asked(sql, rows.parameters)


def spread(
    question: Question,
    number: Number,
    rows: Asked,
    chosen: Chosen | None = None,
    *,
    known: bool = True,
    most: int | None = None,
) -> Asked:
    """For DuckDB: one row for each key, bucket and rounded value: those three, and how many. Without `known` those that have no
    value too, which is None then."""
    where = f" WHERE {number.sql} IS NOT NULL" if known else ""
    shifted = Asked(shifts(f"SELECT * FROM ({rows.sql}){where}", number.sql), rows.parameters)
    return _grouped(question, shifted, ["count(*)"], ["shift", "kept"], DUCKDB, chosen, most)


def top_keys(question: Question, rows: Asked, words: Words, most: int) -> Asked:
    """The keys with the most of what is sorted by."""
    parts = _sum_parts(question.numbers[0], words)
    order = parts[0] if len(parts) == 1 else f"{parts[0]} * 1e9 + {parts[1]}"
    sql = f"SELECT {_key(question)}, {', '.join(parts)} FROM ({rows.sql}) GROUP BY 1 ORDER BY {order} DESC, 1 LIMIT {most}"
    return Asked(sql, rows.parameters)


def _grouped(
    question: Question,
    rows: Asked,
    columns: Sequence[str],
    more: Sequence[str],
    words: Words,
    chosen: Chosen | None,
    most: int | None,
) -> Asked:
    """Grouped by the keys as they are, which is quick; what is made of keys is made of the groups."""
    time = _time(question, words)
    named = [f"{column} AS n{place}" for place, column in enumerate(columns)]
    places = ", ".join(str(place) for place in range(1, 3 + len(more)))
    inner = f"SELECT {', '.join([f'{_key(question)} AS k', f'{time} AS t', *more, *named])}"
    inner = f"{inner} FROM ({rows.sql}) AS r GROUP BY {places}"
    key, given = _shown_key(chosen)
    parts = [key, "t", *([MIDDLE] if more else [])]
    numbers = [f"n{place}" for place in range(len(columns))]
    if chosen is not None:
        numbers = [f"sum({number})" for number in numbers]
    sql = f"SELECT {', '.join([*parts, *numbers])} FROM ({inner}) AS g"
    if chosen is not None:
        sql += f" GROUP BY {', '.join(str(place) for place in range(1, len(parts) + 1))}"
    return Asked(sql + (f" LIMIT {most}" if most is not None else ""), [*given, *rows.parameters])


def _time(question: Question, words: Words) -> str:
    return "0" if question.width is None else f"created_at {words.divide} {question.width}"


def _key(question: Question) -> str:
    return "NULL" if question.by is None else question.subject.by[question.by]


def _shown_key(chosen: Chosen | None) -> tuple[str, list[Any]]:
    if chosen is None:
        return "CASE WHEN k IS NOT NULL THEN '=' || k END", []
    given = sorted(value for value in chosen.values if value is not None)
    same = f"WHEN k IN ({', '.join('?' * len(given))}) THEN '=' || k" if given else ""
    unknown = f"WHEN k IS NULL THEN {'NULL' if None in chosen.values else repr(OTHERS)}"
    return f"CASE {unknown} {same} ELSE '{OTHERS}' END", given


def _sum_parts(number: Number, words: Words) -> list[str]:
    if number.kind == "count":
        return [f"sum(CASE WHEN {number.sql} THEN 1 ELSE 0 END)" if number.sql else "count(*)"]
    if number.kind == "sum":
        return [part.format(column=number.sql) for part in words.sum]
    return []


# ── which rows ───────────────────────────────────────────────────────────────────────────────────────────────────────


def conditions(question: Question, words: Words) -> Asked:
    """What the question asks of rows but for their time. Raises FilterInvalid where rows of events can't tell."""
    subject = question.subject
    made, given = [f"({subject.events})"], list[Any]()
    for condition in _plain(question.filter, subject):
        asked = _condition(condition, subject, words)
        made.append(asked.sql)
        given += asked.parameters
    return Asked(" AND ".join(made), given)


# Fields of filters that are told apart by name alone.
_SEVERAL = {
    "models": "model", "providers": "provider", "statuses": "status", "types": "type", "levels": "level",
    "sources": "source", "actors": "actor",
}  # fmt: skip


def _plain(wanted: Any, subject: Subject) -> list[Condition]:
    """The whole filter as conditions."""
    made = []
    for name in wanted.__struct_fields__:
        value = getattr(wanted, name)
        if name == "also" or value in (None, ()):
            continue
        field = _SEVERAL.get(name, name)
        made.append(Condition(field=field, values=value if isinstance(value, tuple) else (value,)))
    made += wanted.also
    for condition in made:
        if condition.field not in subject.fields:
            raise FilterInvalid(reason=f"numbers of {subject.words} can't be filtered by {condition.field!r}")
        if not all(is_storable(value) for value in (*condition.values, *condition.patterns)):
            raise FilterInvalid(reason=f"{condition.field} is not valid Unicode text")
    return made


def _condition(wanted: Condition, subject: Subject, words: Words) -> Asked:
    column = subject.fields[wanted.field]
    made: list[str] = []
    given: list[Any] = []
    if wanted.values:
        made.append(f"({column}) IN ({', '.join('?' * len(wanted.values))})")
        given += wanted.values
    for pattern in wanted.patterns:
        made.append(words.like.format(column=f"({column})", value="?"))
        given.append(like_text(pattern))
    bounds = [
        (f"({column}) {sign}{'' if is_open else '='} ?", bound)
        for sign, bound, is_open in ((">", wanted.low, wanted.low_open), ("<", wanted.high, wanted.high_open))
        if bound is not None
    ]
    if bounds:
        made.append("(" + " AND ".join(sql for sql, _ in bounds) + ")")
        given += [max(-INT64_MAX, min(bound, INT64_MAX)) for _, bound in bounds]
    found = f"({' OR '.join(made) or '1 = 0'})"
    return Asked(f"(({column}) IS NULL OR NOT {found})" if wanted.negated else found, given)

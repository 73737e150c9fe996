# ruff: noqa: S608 - what people write goes in as parameters; the rest are words of ours
"""Answers: what is archived and what is not, counted apart and put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection

from flightlog.analytics.fold import Fold, Group, Others, Part
from flightlog.analytics.hot import hot_rows, summary_rows
from flightlog.analytics.kept import Kept
from flightlog.analytics.question import Question
from flightlog.analytics.sql import DUCKDB, HOT, Asked, Chosen, conditions, spread, sums, top_keys, values
from flightlog.archive.manifest import ArchivedFile, archived_until, files, files_with
from flightlog.errors import ArchiveFileMissing
from flightlog.store.contract import Store

KEYS_MAX = 10_000  # as many groups are told apart in search of the largest
CELLS_MAX = 20_000  # so many groups and buckets are taken at once
VALUES_MAX = 200_000  # so many groups, buckets and values
ATTEMPTS = 3


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of all that was asked for, of the largest groups, and of the others together.

    Times are nanoseconds since 1970; `times` are the beginnings of the buckets. `files` says how many files of the archive were
    read; of these, `stale_files` still have costs from before prices were recomputed.
    """

    question: Question
    times: list[int]
    total: Part
    groups: list[Group]
    others: Others | None
    files: int = 0
    stale_files: int = 0


def answer(store: Store, question: Question, archive: Kept, *, silent_since: int = 0) -> Answer:
    """The answer as of now; a run that runs and was last heard of before `silent_since` is hung.

    Raises FilterInvalid, StatsTooMuch, ArchiveFileMissing, ArchiveFileBroken, ArchiveExtraMissing."""
    for attempt in range(ATTEMPTS):
        try:
            return _answer(store, question, archive, silent_since)
        except ArchiveFileMissing:
            # Files are put together now and then; whoever has an older list reads the new one.
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _answer(store: Store, question: Question, archive: Kept, silent_since: int) -> Answer:
    fold = Fold(question)
    spreads = [one for one in question.numbers if one.kind == "spread"]
    found: list[ArchivedFile] = []
    words = HOT[store.dialect]
    with store.read() as connection:
        if question.subject.events:
            until = archived_until(connection)
            if until:
                found = _files_of(connection, question)
            rows = hot_rows(question, until, words)
        else:
            rows = summary_rows(connection, question, silent_since)
        fold.take_sums(_run(connection, sums(question, rows, words), int))
        for number in spreads:
            fold.take_values(number, _run(connection, values(question, number, rows, words), float))
    if found:
        chosen, every = _take_archived(fold, question, _archived_rows(question, found), archive, found)
    else:
        keys = fold.keys()
        chosen, every = keys[: question.top], len(keys)
    total, groups, others = fold.put_together(chosen, every)
    width = question.width
    return Answer(
        question=question,
        times=[] if width is None else list(range(question.since, question.until, width)),
        total=total,
        groups=groups,
        others=others,
        files=len(found),
        stale_files=sum(file.stale for file in found) if "cost" in question.measures else 0,
    )


def _run(connection: Connection, asked: Asked, number: type[int] | type[float]) -> Iterable[Sequence[Any]]:
    """The rows; what the database says as a decimal is such a number."""
    if connection.dialect.name == "sqlite":
        return connection.exec_driver_sql(asked.sql, tuple(asked.parameters))
    marked = asked.sql.replace("%", "%%").replace("?", "%s")  # as its driver wants them
    found = connection.exec_driver_sql(marked, tuple(asked.parameters))
    return ([number(value) if isinstance(value, Decimal) else value for value in row] for row in found)


def _take_archived(
    fold: Fold, question: Question, rows: Asked, archive: Kept, found: list[ArchivedFile]
) -> tuple[Sequence[str | None], int]:
    """Add what is archived; the keys of the groups, and how many values there are."""
    spreads = [one for one in question.numbers if one.kind == "spread"]
    if len(spreads) == 1 and _is_plain_count(question):
        # Counting the values counts the rows.
        every = archive.rows(spread(question, spreads[0], rows, known=False, most=VALUES_MAX + 1), found, 3)
        if len(every) <= VALUES_MAX:
            fold.take_sums((key, bucket, count) for key, bucket, _, count in every)
            fold.take_spread(spreads[0], (row for row in every if row[2] is not None))
            keys = fold.keys()
            return keys[: question.top], len(keys)
    whole = archive.rows(sums(question, rows, DUCKDB, most=CELLS_MAX + 1), found, 2)
    if len(whole) <= CELLS_MAX:
        fold.take_sums(whole)
        keys = fold.keys()
    else:
        keys = _largest(fold, question, rows, archive, found)
        fold.take_sums(archive.rows(sums(question, rows, DUCKDB, _chosen(keys[: question.top])), found, 2))
    chosen = keys[: question.top]
    for number in spreads:
        told_apart = None if len(keys) == len(chosen) else _chosen(chosen)
        fold.take_spread(number, archive.rows(spread(question, number, rows, told_apart), found, 3))
    return chosen, len(keys)


def _is_plain_count(question: Question) -> bool:
    return [one for one in question.numbers if one.kind != "spread"] == [question.numbers[0]] and not question.numbers[
        0
    ].sql


def _largest(fold: Fold, question: Question, rows: Asked, archive: Kept, found: list[ArchivedFile]) -> list[str | None]:
    """The keys in their order, where there are too many groups and buckets to take them all at once."""
    search = Fold(msgspec.structs.replace(question, measures=(), bucket=None))
    plain = archive.rows(top_keys(question, rows, DUCKDB, KEYS_MAX), found, 1)
    search.take_sums([(None if key is None else f"={key}", 0, *parts) for key, *parts in plain])
    search.take_sums(fold.first_sums())
    return search.keys()


def _chosen(keys: Sequence[str | None]) -> Chosen:
    return Chosen(tuple(None if key is None else key[1:] for key in keys))


def _files_of(connection: Connection, question: Question) -> list[ArchivedFile]:
    """Those that may have any of the events that are counted."""
    wanted = question.filter
    found = files(connection, project=wanted.project, since=question.since, until=question.until)
    type_ = {"models": "llm_response", "tools": "tool_result"}.get(question.of)
    if type_ is not None:
        found = [file for file in found if type_ in file.type_counts]
    for column in ("run_id", "trace_id", "task_id"):
        if found and (key := getattr(wanted, column)) is not None:
            held = files_with(connection, column, key)
            found = [file for file in found if file.file_id in held]
    return found


def _archived_rows(question: Question, found: list[ArchivedFile]) -> Asked:
    """The rows of these files; whose time is asked for only where a file goes beyond it, so that the same question can be
    known again though time goes on."""
    asked = conditions(question, DUCKDB)
    where, given = [asked.sql], list(asked.parameters)
    if min(file.created_at_min for file in found) < question.since:
        where.append("created_at >= ?")
        given.append(question.since)
    if max(file.created_at_max for file in found) >= question.until:
        where.append("created_at < ?")
        given.append(question.until)
    return Asked(f"SELECT * FROM archived WHERE {' AND '.join(where)}", given)

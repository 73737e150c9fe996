# ruff: noqa: S608 - what people write goes in as parameters; the rest are words of ours
"""The rows that are in the store: events that are not archived, in the columns of the archive's files, and summaries."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, select
from sqlalchemy.dialects.postgresql.base import PGDialect

from flightlog.analytics.question import Question
from flightlog.analytics.sql import SQLITE, Asked, Words, conditions
from flightlog.archive.columns import generation_columns
from flightlog.audit.filter import conditions as audit_conditions
from flightlog.audit.table import audits
from flightlog.journal.table import EVENT_COLUMNS
from flightlog.runs.feedback_filter import conditions as feedback_conditions
from flightlog.runs.feedback_table import feedback
from flightlog.runs.filter import TOOK
from flightlog.runs.filter import conditions as run_conditions
from flightlog.runs.generation_table import generations
from flightlog.runs.table import runs

_ENVELOPE = ", ".join(f"e.{name}" for name in ("id", *EVENT_COLUMNS, "payload_bytes"))
_TYPED = generation_columns("g")
_EVENTS = f"SELECT {_ENVELOPE} FROM run_events AS e WHERE e.id > ?"
_ANSWERS = (
    f"SELECT {_ENVELOPE}, {_TYPED} FROM run_events AS e LEFT JOIN generations AS g ON g.answer_id = e.id WHERE e.id > ?"
)


def hot_rows(question: Question, after_id: int, words: Words = SQLITE) -> Asked:
    """The events after the archive's last that the question is about."""
    asked = conditions(question, words)
    rows = _ANSWERS if question.of == "models" else _EVENTS
    sql = f"SELECT * FROM ({rows}) AS h WHERE {asked.sql} AND created_at >= ? AND created_at < ?"
    return Asked(sql, [after_id, *asked.parameters, question.since, question.until])


def summary_rows(connection: Connection, question: Question, silent_since: int) -> Asked:
    """The summaries that the question is about, which stay in the store. Raises FilterInvalid."""
    name = connection.dialect.name
    wanted = _SUMMARIES[question.of](question, silent_since, name)
    # With question marks for parameters, as all SQL has them here.
    dialect = PGDialect(paramstyle="qmark") if name == "postgresql" else connection.dialect  # type: ignore[no-untyped-call]
    made = wanted.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    parameters = made.construct_params()
    return Asked(str(made), [parameters[name] for name in made.positiontup or ()])


def _decisions(question: Question, silent_since: int, dialect: str) -> Select[Any]:
    return select(audits).where(
        audits.c.type == "capability_decision",
        audits.c.created_at >= question.since,
        audits.c.created_at < question.until,
        *audit_conditions(question.filter),
    )


def _runs(question: Question, silent_since: int, dialect: str) -> Select[Any]:
    names = ("status", "name", "actor", "source", "project", "tokens_input", "tokens_output", "cost_nano_usd")
    return select(
        *(runs.c[name] for name in names),
        runs.c.started_at.label("created_at"),
        TOOK.label("duration_ns"),
    ).where(
        runs.c.started_at >= question.since,
        runs.c.started_at < question.until,
        *run_conditions(question.filter, silent_since, dialect),
    )


def _feedback(question: Question, silent_since: int, dialect: str) -> Select[Any]:
    joined = feedback.outerjoin(generations, generations.c.generation_id == feedback.c.generation_id)
    return (
        select(*feedback.columns, generations.c.model)
        .select_from(joined)
        .where(
            feedback.c.created_at >= question.since,
            feedback.c.created_at < question.until,
            *feedback_conditions(question.filter),
        )
    )


_SUMMARIES = {"decisions": _decisions, "runs": _runs, "feedback": _feedback}

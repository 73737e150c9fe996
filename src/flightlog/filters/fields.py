"""The fields that a query can name, and what each of them holds."""

from __future__ import annotations

from typing import Literal, NamedTuple

from flightlog.audit.project import STATES as ORPHAN_STATES
from flightlog.audit.reading import DECISIONS
from flightlog.audit.reading import TYPES as AUDIT_TYPES
from flightlog.events.catalogue import CATALOGUE
from flightlog.events.envelope import LEVELS
from flightlog.events.feedback import GIVERS, KINDS, THUMBS
from flightlog.runs.feedback_filter import STATUSES as FEEDBACK_STATUSES
from flightlog.runs.filter import HUNG
from flightlog.runs.generation_filter import STATUSES as GENERATION_STATUSES
from flightlog.runs.status import STATUSES

Kind = Literal["text", "choice", "number", "signed", "money", "duration", "since", "until"]
ScopeName = Literal["runs", "events", "generations", "feedback", "audits"]

RANGED: frozenset[Kind] = frozenset({"number", "signed", "money", "duration"})


class Field(NamedTuple):
    """One field: its name in a query, what it holds, what it is called in the rows, and in words."""

    name: str
    kind: Kind
    column: str
    words: str
    choices: tuple[str, ...] = ()
    # The field of the filter that takes plain alternatives, and whether it takes more than one.
    plain: str | None = None
    several: bool = False


class Scope(NamedTuple):
    """What a query is about."""

    name: ScopeName
    fields: dict[str, Field]
    text: str


def _scope(name: ScopeName, text: str, *fields: Field) -> Scope:
    return Scope(name, {field.name: field for field in fields}, text)


_TYPES = tuple(sorted(CATALOGUE))
_JUDGED = (
    Field("feedback", "text", "feedback", "the name of feedback on it"),
    Field("thumb", "choice", "thumb", "a thumb on it", THUMBS),
    Field("score", "signed", "score", "a score on it"),
)

RUNS = _scope(
    "runs",
    "a part of the name, or the beginning of the run's id",
    Field("status", "choice", "status", "how it stands", (*STATUSES, HUNG), "statuses", several=True),
    Field("name", "text", "name", "its name"),
    Field("actor", "text", "actor", "who it was started for", plain="actor"),
    Field("project", "text", "project", "its project", plain="project"),
    Field("model", "text", "models", "a model that it called"),
    Field("type", "text", "counts", "a type of events that it has", _TYPES),
    Field("source", "text", "source", "what recorded it"),
    Field("run", "text", "run_id", "its id"),
    Field("task", "text", "task_id", "its task's id", plain="task_id"),
    Field("trace", "text", "trace_id", "its trace's id", plain="trace_id"),
    Field("cost", "money", "cost", "dollars"),
    Field("tokens", "number", "tokens", "tokens in and out together"),
    Field("input", "number", "tokens_input", "tokens in"),
    Field("output", "number", "tokens_output", "tokens out"),
    Field("errors", "number", "error_count", "how many errors"),
    Field("lost", "number", "lost_count", "how many of its events are lost"),
    Field("events", "number", "event_count", "how many events"),
    Field("duration", "duration", "duration_ns", "how long it took"),
    *_JUDGED,
    Field("since", "since", "started_at", "started then or later"),
    Field("until", "until", "started_at", "started before"),
)
EVENTS = _scope(
    "events",
    "words in the payload",
    Field("type", "text", "type", "its type", _TYPES, "types", several=True),
    Field("level", "choice", "level", "its level", LEVELS, "levels", several=True),
    Field("status", "text", "status", "its status", (), "statuses", several=True),
    Field("source", "text", "source", "what recorded it", (), "sources", several=True),
    Field("actor", "text", "actor", "who did it", (), "actors", several=True),
    Field("project", "text", "project", "its project", plain="project"),
    Field("name", "text", "name", "name of the span, tool, command or model", plain="name"),
    Field("run", "text", "run_id", "its run's id", plain="run_id"),
    Field("trace", "text", "trace_id", "its trace's id", plain="trace_id"),
    Field("span", "text", "span_id", "its span's id", plain="span_id"),
    Field("task", "text", "task_id", "its task's id", plain="task_id"),
    Field("correlation", "text", "correlation_id", "what pairs it with another", plain="correlation_id"),
    Field("duration", "duration", "duration_ns", "how long it took"),
    Field("since", "since", "created_at", "created then or later"),
    Field("until", "until", "created_at", "created before"),
)
GENERATIONS = _scope(
    "generations",
    "a part of what was asked or answered, as far as lists show it, or of the name, or the beginning of the id",
    Field("model", "text", "model", "the model that answered, else that was asked", (), "models", several=True),
    Field("provider", "text", "provider", "who served it", (), "providers", several=True),
    Field("status", "choice", "status", "how it stands", GENERATION_STATUSES, "statuses", several=True),
    Field("operation", "text", "operation", "chat, embeddings, …"),
    Field("name", "text", "name", "the name of its span"),
    Field("finish", "text", "finish_reason", "why the model stopped"),
    Field("error", "text", "error_kind", "the class of its error"),
    Field("actor", "text", "actor", "who asked", plain="actor"),
    Field("project", "text", "project", "its project", plain="project"),
    Field("source", "text", "source", "what recorded it"),
    Field("run", "text", "run_id", "its run's id", plain="run_id"),
    Field("trace", "text", "trace_id", "its trace's id", plain="trace_id"),
    Field("span", "text", "span_id", "its span's id"),
    Field("task", "text", "task_id", "its task's id", plain="task_id"),
    Field("price", "text", "price_id", "the price that its cost is by"),
    Field("costed", "choice", "cost_source", "where its cost is from", ("reported", "priced")),
    Field("cost", "money", "cost", "dollars"),
    Field("tokens", "number", "tokens", "tokens in and out together"),
    Field("input", "number", "tokens_input", "tokens in"),
    Field("output", "number", "tokens_output", "tokens out"),
    Field("duration", "duration", "duration_ns", "how long it took"),
    Field("ttfc", "duration", "time_to_first_chunk_ns", "time to the first chunk"),
    *_JUDGED,
    Field("since", "since", "started_at", "started then or later"),
    Field("until", "until", "started_at", "started before"),
)
FEEDBACK = _scope(
    "feedback",
    "a part of the comment, the value or the name",
    Field("kind", "choice", "kind", "what kind it is", KINDS, "kinds", several=True),
    Field(
        "status", "choice", "status", "linked, or waiting for its target", FEEDBACK_STATUSES, "statuses", several=True
    ),
    Field("name", "text", "name", "what is judged", plain="name"),
    Field("thumb", "choice", "thumb", "which way", THUMBS),
    Field("score", "signed", "score", "the score"),
    Field("label", "text", "label", "the label"),
    Field("by", "choice", "given_by", "what sort of judge", GIVERS, "given_by"),
    Field("actor", "text", "actor", "who judged", plain="actor"),
    Field("target", "text", "target", "the id of what is judged", plain="target"),
    Field("run", "text", "run_id", "the run that it is part of", plain="run_id"),
    Field("key", "text", "key", "under which it is replaced"),
    Field("source", "text", "source", "what recorded it"),
    Field("project", "text", "project", "its project", plain="project"),
    Field("since", "since", "created_at", "said then or later"),
    Field("until", "until", "created_at", "said before"),
)
AUDITS = _scope(
    "audits",
    "a part of the operation, the subject, the rule or the reason",
    Field("type", "choice", "type", "a record, or a decision on a permission", AUDIT_TYPES, "types", several=True),
    Field("operation", "text", "operation", "what was done", plain="operation"),
    Field("subject", "text", "subject", "what it was done to, as in repo:acme/shop", plain="subject"),
    Field("actor", "text", "actor", "who did it", plain="actor"),
    Field("status", "text", "status", "how it ended, or was decided", (), "statuses", several=True),
    Field("level", "choice", "level", "its level", LEVELS, "levels", several=True),
    Field("capability", "text", "capability", "the permission that was asked for", plain="capability"),
    Field("decision", "choice", "decision", "how that was decided", DECISIONS, "decisions", several=True),
    Field("rule", "text", "rule", "by which rule"),
    Field("approver", "text", "approver", "by whom"),
    Field("orphan", "choice", "orphan", "whether its run and task are known", ORPHAN_STATES, "orphans", several=True),
    Field("run", "text", "run_id", "its run's id", plain="run_id"),
    Field("task", "text", "task_id", "its task's id", plain="task_id"),
    Field("correlation", "text", "correlation_id", "what pairs it with another", plain="correlation_id"),
    Field("source", "text", "source", "what recorded it"),
    Field("project", "text", "project", "its project", plain="project"),
    Field("since", "since", "created_at", "recorded then or later"),
    Field("until", "until", "created_at", "recorded before"),
)
SCOPES: dict[str, Scope] = {scope.name: scope for scope in (RUNS, EVENTS, GENERATIONS, FEEDBACK, AUDITS)}

"""The views that SQL is asked of: every column with its type and what it says, and where it comes from.

What is here is what the docs, the console and `DESCRIBE` show; a test holds them together. Times are TIMESTAMP in UTC, which
compares with `now()`; the exact nanoseconds stand beside them as numbers.
"""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """One column of a view. `hot` is its expression in SQLite, `cold` the same over an archive file in DuckDB's SQL."""

    name: str
    type: str
    says: str
    hot: str
    cold: str = ""


class View(NamedTuple):
    """One view. `origin` is what SQLite reads it from; only `events` has an older part in the archive."""

    name: str
    says: str
    columns: tuple[Column, ...]
    origin: str
    archived: bool = False


# DuckDB's types, and what Arrow calls them.
ARROW: dict[str, str] = {
    "BIGINT": "int64",
    "VARCHAR": "string",
    "DOUBLE": "float64",
    "BOOLEAN": "bool",
    "TIMESTAMP": "timestamp[us]",
    "JSON": "string",
}


def _plain(kind: str, *named: tuple[str, str], prefix: str) -> tuple[Column, ...]:
    return tuple(Column(name, kind, says, f"{prefix}.{name}", f'"{name}"') for name, says in named)


def _text(*named: tuple[str, str], prefix: str) -> tuple[Column, ...]:
    return _plain("VARCHAR", *named, prefix=prefix)


def _whole(*named: tuple[str, str], prefix: str) -> tuple[Column, ...]:
    return _plain("BIGINT", *named, prefix=prefix)


def _json(name: str, says: str, prefix: str) -> Column:
    return Column(name, "JSON", says, f"{prefix}.{name}", f'"{name}"')


def _time(name: str, says: str, prefix: str, source: str | None = None) -> Column:
    column = source or name
    return Column(name, "TIMESTAMP", says, f"{prefix}.{column} / 1000", f'make_timestamp("{column}" // 1000)')


def _ms(name: str, says: str, prefix: str) -> Column:
    source = name.removesuffix("_ms") + "_ns"
    return Column(name, "DOUBLE", says, f"{prefix}.{source} / 1e6", f'"{source}" / 1e6')


def _usd(says: str, prefix: str) -> Column:
    return Column("cost_usd", "DOUBLE", says, f"{prefix}.cost_nano_usd / 1e9", '"cost_nano_usd" / 1e9')


def _is(name: str, says: str, hot: str, cold: str = "") -> Column:
    return Column(name, "BOOLEAN", says, hot, cold)


_TOKENS = (
    ("tokens_input", "Tokens read by the model; what was cached is a part of them."),
    ("tokens_output", "Tokens written by the model; what it reasoned is a part of them."),
    ("tokens_cached_input", "Of the input: tokens that came from the provider's cache."),
    ("tokens_cache_write", "Of the input: tokens that were written to the provider's cache."),
    ("tokens_reasoning", "Of the output: tokens that the model reasoned with."),
)
_WHERE_FROM = (
    ("source", "The part of the program that it came from."),
    ("actor", "On whose behalf."),
)

_EVENT_COLUMNS: tuple[Column, ...] = (
    *_whole(("id", "Its place in the journal: grows in the order of commits."), prefix="e"),
    *_text(("event_id", "Its own id."), ("type", "The event type, such as `tool_result`."), prefix="e"),
    _time("created_at", "When it happened (UTC).", "e"),
    *_text(
        ("run_id", "The run that it belongs to."),
        ("project", "The project."),
        ("name", "Of a tool, span, command or model."),
        ("level", "`debug`, `info`, `warn` or `error`."),
        *_WHERE_FROM,
        ("trace_id", "The trace."),
        ("span_id", "The span."),
        ("parent_span_id", "The span around it."),
        ("task_id", "The task."),
        ("correlation_id", "What pairs a request with its response."),
        ("status", "How it ended, such as `ok` or `error`."),
        prefix="e",
    ),
    _ms("duration_ms", "How long it took, in milliseconds.", "e"),
    Column(
        "tool",
        "VARCHAR",
        "Of a `tool_call` or `tool_result`: the tool.",
        "CASE WHEN e.type IN ('tool_call', 'tool_result') THEN e.name END",
        '"tool"',
    ),
    *_text(
        ("provider", "Of an `llm_response`: who runs the model."),
        ("model", "Of an `llm_response`: the model that answered."),
        ("operation", "Of an `llm_response`: such as `chat`."),
        prefix="g",
    ),
    *_whole(*_TOKENS, prefix="g"),
    _usd("Of an `llm_response`: what the call cost, in US dollars.", "g"),
    _ms("time_to_first_chunk_ms", "Of an `llm_response`: how long until the first words, in milliseconds.", "g"),
    *_text(
        ("error_kind", "Of an `llm_response` that failed: the kind of error."),
        ("finish_reason", "Of an `llm_response`: why the model stopped."),
        prefix="g",
    ),
    Column("payload", "JSON", "What it says; null once it was erased.", "p.payload", '"payload"'),
    *_whole(
        ("payload_bytes", "The size of the payload, in bytes."),
        ("flags", "Bits: 1 truncated, 2 redacted, 4 withheld, 8 orphan and more; see the reference on events."),
        prefix="e",
    ),
    _time("received_at", "When the store took it (UTC).", "e"),
    *_text(("producer_id", "Who recorded it: one recorder of one process."), prefix="e"),
    *_whole(
        ("seq", "The number that its producer gave it; a gap is a loss."),
        ("created_at_ns", "`created_at` in nanoseconds since 1970."),
        ("duration_ns", "`duration_ms` in whole nanoseconds."),
        ("cost_nano_usd", "`cost_usd` in whole billionths of a dollar, for exact sums."),
        prefix="e",
    ),
    _is("archived", "Whether it is in an archive file (true) or still in the journal's own table.", "0", "true"),
)


def _once(name: str) -> tuple[str, str]:
    """What is added up, of a call that no other call tells again; files hold nothing else."""
    return f"CASE WHEN g.covered IS NULL THEN g.{name} END", f'"{name}"'


def _replaced(columns: tuple[Column, ...], **changes: tuple[str, str]) -> tuple[Column, ...]:
    """The columns, with other expressions (hot, cold) for some."""
    return tuple(
        column._replace(hot=changes[column.name][0], cold=changes[column.name][1]) if column.name in changes else column
        for column in columns
    )


EVENTS = View(
    "events",
    "Every event: the journal and its archive as one.",
    _replaced(
        _EVENT_COLUMNS,
        created_at_ns=("e.created_at", '"created_at"'),
        cost_nano_usd=_once("cost_nano_usd"),
        cost_usd=("CASE WHEN g.covered IS NULL THEN g.cost_nano_usd END / 1e9", '"cost_nano_usd" / 1e9'),
        **{name: _once(name) for name, _ in _TOKENS},
    ),
    "run_events e",
    archived=True,
)

RUNS = View(
    "runs",
    "One row a run: what it was, how it ended, what it took.",
    (
        *_text(
            ("run_id", "Its id."),
            ("project", "The project."),
            ("name", "Its name."),
            ("status", "`running`, `succeeded`, `failed` or `canceled`."),
            *_WHERE_FROM,
            ("task_id", "The task."),
            ("trace_id", "The trace."),
            prefix="r",
        ),
        _time("started_at", "When it began (UTC).", "r"),
        _time("finished_at", "When it ended (UTC); null while it runs.", "r"),
        _ms("duration_ms", "How long it took, in milliseconds.", "r"),
        _time("last_event_at", "When its latest event happened (UTC).", "r"),
        *_whole(
            ("last_event_id", "The place of its latest event in the journal."),
            ("event_count", "How many events it has."),
            ("error_count", "How many of them are of level `error`."),
            ("lost_count", "How many events of it are known to be lost."),
            *(pair for pair in _TOKENS if pair[0] != "tokens_cache_write"),
            prefix="r",
        ),
        _usd("What its model calls cost, in US dollars.", "r"),
        _json("counts", "How many events of each type, as an object.", "r"),
        _json("models", "The models that it called, as a list.", "r"),
        Column("started_at_ns", "BIGINT", "`started_at` in nanoseconds since 1970.", "r.started_at"),
        *_whole(
            ("duration_ns", "`duration_ms` in whole nanoseconds."),
            ("cost_nano_usd", "`cost_usd` in whole billionths of a dollar, for exact sums."),
            prefix="r",
        ),
    ),
    "runs r",
)

GENERATIONS = View(
    "generations",
    "One row a call of a model.",
    (
        *_text(
            ("generation_id", "Its id."),
            ("run_id", "The run that it belongs to."),
            ("project", "The project."),
            ("trace_id", "The trace."),
            ("span_id", "The span."),
            ("parent_span_id", "The span around it."),
            ("task_id", "The task."),
            *_WHERE_FROM,
            ("name", "The name of its span."),
            ("provider", "Who runs the model."),
            ("model", "The model that answered, else the one that was asked."),
            ("request_model", "The model that was asked."),
            ("operation", "Such as `chat`."),
            ("status", "`running`, `ok` or `error`."),
            ("error_kind", "The kind of error."),
            ("finish_reason", "Why the model stopped."),
            prefix="g",
        ),
        _is("streamed", "Whether the answer came in pieces.", "g.streamed"),
        _is("covered", "Whether a call within it tells the same again; leave it out of sums.", "g.covered IS NOT NULL"),
        _time("started_at", "When it began (UTC).", "g"),
        _time("ended_at", "When it ended (UTC).", "g"),
        _ms("duration_ms", "How long it took, in milliseconds.", "g"),
        _ms("time_to_first_chunk_ms", "How long until the first words, in milliseconds.", "g"),
        *_whole(*_TOKENS, prefix="g"),
        _usd("What it cost, in US dollars; null where nobody knows.", "g"),
        *_text(
            ("cost_source", "`reported` by the sender or `priced` by Flightlog."),
            ("price_id", "The price that was taken."),
            ("input_preview", "The beginning of what was asked."),
            ("output_preview", "The beginning of what was answered."),
            prefix="g",
        ),
        *_whole(
            ("id", "The journal id of whichever of its events came first."),
            ("request_id", "The journal id of its `llm_request`."),
            ("answer_id", "The journal id of its `llm_response`."),
            prefix="g",
        ),
        Column("started_at_ns", "BIGINT", "`started_at` in nanoseconds since 1970.", "g.started_at"),
        *_whole(
            ("duration_ns", "`duration_ms` in whole nanoseconds."),
            ("cost_nano_usd", "`cost_usd` in whole billionths of a dollar, for exact sums."),
            prefix="g",
        ),
    ),
    "generations g",
)

FEEDBACK = View(
    "feedback",
    "What people, programs and models think of generations, spans and runs; one row for what holds now.",
    (
        *_text(
            ("feedback_id", "Its id."),
            ("event_id", "The event that says it."),
            ("target_id", "What it is about, as it was given."),
            ("target_type", "`generation`, `span` or `run`."),
            ("status", "`linked`, or `pending` while what it is about is not there."),
            ("generation_id", "The generation that it is about."),
            ("run_id", "The run that it is about, or that its target is in."),
            ("span_id", "The span that it is about."),
            ("project", "The project."),
            ("kind", "`score`, `thumb`, `label`, `comment` or `correction`."),
            ("name", "What is judged, such as `helpfulness`."),
            prefix="f",
        ),
        *_plain("DOUBLE", ("value_number", "The score; 1 and 0 for a thumb up and down."), prefix="f"),
        *_text(
            ("value_text", "The word of a thumb or label, the text of a correction."),
            ("comment", "What was said."),
            ("given_by", "`user`, `reviewer`, `model` or `code`."),
            *_WHERE_FROM,
            ("key", "The sender's own key."),
            prefix="f",
        ),
        _time("created_at", "When it was said (UTC).", "f"),
        *_whole(("id", "The journal id of its event."), prefix="f"),
        Column("created_at_ns", "BIGINT", "`created_at` in nanoseconds since 1970.", "f.created_at"),
    ),
    "feedback f",
)

AUDIT = View(
    "audit",
    "What was done and by whom, and which permissions were asked for, granted and denied.",
    (
        *_whole(("id", "The journal id of its event."), prefix="a"),
        *_text(("event_id", "Its event."), prefix="a"),
        _time("created_at", "When it happened (UTC).", "a"),
        *_text(
            ("project", "The project."),
            ("type", "`audit` or `capability_decision`."),
            ("level", "`debug`, `info`, `warn` or `error`."),
            *_WHERE_FROM,
            ("operation", "What was done; of a decision the permission."),
            ("status", "The outcome, or the decision."),
            ("subject_type", "What kind of thing it was done to."),
            ("subject_id", "Which one."),
            ("run_id", "The run, as it was given."),
            ("task_id", "The task, as it was given."),
            ("capability", "The permission that was asked for."),
            ("decision", "`requested`, `granted` or `denied`."),
            ("rule", "The rule that decided."),
            ("approver", "Who decided."),
            ("reason", "Why."),
            ("correlation_id", "What pairs a request with its decision."),
            ("action_digest", "The digest of the action that was decided on."),
            ("orphan", "`known`, `orphaned` while its run or task is not there, or `adopted`."),
            prefix="a",
        ),
        _time("expires_at", "Until when a decision holds (UTC).", "a"),
        Column("created_at_ns", "BIGINT", "`created_at` in nanoseconds since 1970.", "a.created_at"),
    ),
    "audits a",
)

TASKS = View(
    "tasks",
    "Every task as it stands; what it was asked to do and what came of it is read by its id.",
    (
        *_text(
            ("task_id", "The task, and the run that tells its story."),
            ("pipeline", "What kind of task it is."),
            ("queue", "The queue that it waits in."),
            ("project", "The project."),
            ("user_id", "Whose it is."),
            ("state", "`QUEUED`, a state of its pipeline, `SUCCEEDED`, `FAILED` or `CANCELED`."),
            prefix="t",
        ),
        *_whole(
            ("attempt_no", "Who had it to work on, from 1."),
            ("tries", "Failed attempts of this round."),
            ("deaths", "Workers that died over it."),
            ("round_no", "How often somebody asked for it."),
            ("priority", "A larger one is done first."),
            ("units", "What is held of the user's quota."),
            prefix="t",
        ),
        Column("progress", "DOUBLE", "How far it is, from 0 to 1.", "t.progress / 1e3"),
        _json("error", "What it failed of last.", "t"),
        *_text(
            ("reason", "Why it was canceled or retried."),
            ("worker_id", "Who has it."),
            prefix="t",
        ),
        _time("created_at", "When it was asked for (UTC).", "t"),
        _time("began_at", "When its present attempt began (UTC).", "t"),
        _time("updated_at", "When it was last moved (UTC).", "t"),
        _time("finished_at", "When it ended (UTC).", "t"),
        _time("deadline_at", "When it fails unless it is done (UTC).", "t"),
        Column("duration_ms", "DOUBLE", "From its being asked for to its end.", "(t.finished_at - t.created_at) / 1e6"),
        Column("created_at_ns", "BIGINT", "`created_at` in nanoseconds since 1970.", "t.created_at"),
    ),
    "tasks t",
)

VIEWS: dict[str, View] = {view.name: view for view in (EVENTS, RUNS, GENERATIONS, FEEDBACK, AUDIT, TASKS)}

# The same under the names that people know from elsewhere.
ALIASES: dict[str, str] = {
    "run_events": "events",
    "generation_traces": "generations",
    "trace_feedback": "feedback",
    "audits": "audit",
}


def view_of(name: str) -> View | None:
    """The view of this name or alias, in whatever case."""
    lower = name.lower()
    return VIEWS.get(ALIASES.get(lower, lower))

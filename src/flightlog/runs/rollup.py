"""A run added up: what its model calls, tools, commands, tests, patches and decisions come to.

Only envelopes are read where they say enough; payloads of model calls, tests, patches and the first errors, a chunk at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import select

from flightlog.config import Settings
from flightlog.events.envelope import StoredEvent
from flightlog.journal.columns import read_columns
from flightlog.journal.filter import INT64_MAX, EventFilter
from flightlog.journal.read import read_events
from flightlog.runs.fold import NANO
from flightlog.runs.generation_table import generations
from flightlog.runs.summary import DEFAULTS, RunSummary
from flightlog.store.contract import Store

ENVELOPES_CHUNK = 5_000
PAYLOADS_CHUNK = 1_000
GROUPS_MAX = 200  # those that took longest are kept
ERRORS_MAX = 20
_COLUMNS = ("id", "type", "name", "status", "duration_ns")


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of one tool, or runs of one command. Percentiles are of the calls whose duration is known; None without any."""

    name: str
    calls: int
    errors: int
    duration_ns_total: int
    duration_ns_p50: int | None
    duration_ns_p95: int | None


class ModelGroup(Group, frozen=True, kw_only=True):
    """Answers of one model."""

    tokens_input: int
    tokens_output: int
    tokens_cached_input: int
    cost_usd: float


class Tests(msgspec.Struct, frozen=True):
    """Test runs, and the tests in them. `runs_failed` are those whose status is failed or error."""

    runs: int = 0
    runs_failed: int = 0
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0


class Patches(msgspec.Struct, frozen=True):
    """Patches that were applied. `files` counts each path once."""

    applied: int = 0
    failed: int = 0
    files: int = 0
    added: int = 0
    deleted: int = 0


class Decisions(msgspec.Struct, frozen=True):
    """Permissions that were decided on."""

    granted: int = 0
    denied: int = 0


class ErrorLine(msgspec.Struct, frozen=True):
    """One error: an event of that type, or of that level."""

    id: int
    type: str
    name: str
    message: str


class Rollup(msgspec.Struct, frozen=True, kw_only=True):
    """The whole. Groups come in the order of the time that they took; `left_out` says how many are not in the lists."""

    models: list[ModelGroup]
    tools: list[Group]
    commands: list[Group]
    tests: Tests
    patches: Patches
    decisions: Decisions
    errors: list[ErrorLine]
    left_out: dict[str, int]


def rollup(store: Store, run: RunSummary, *, settings: Settings = DEFAULTS) -> Rollup:
    """The run added up, as far as its summary goes."""
    tools: dict[str, _Calls] = {}
    commands: dict[str, _Calls] = {}
    decided = {"granted": 0, "denied": 0}
    for _, type_, name, status, took in _envelopes(store, run):
        if type_ == "capability_decision":
            if status in decided:
                decided[status] += 1
        else:
            groups = tools if type_ == "tool_result" else commands
            groups.setdefault(name or "", _Calls()).take(status, took)
    models: dict[str, _Calls] = {}
    tests, patches = _Counts(), _Patches()
    told_again = _told_again(store, run)
    for event in _with_payloads(store, run, settings):
        if event.id in told_again:
            continue
        payload = _decode(event.payload)
        if event.type == "llm_response":
            name = event.name or _text(payload.model)
            models.setdefault(name, _Calls()).take_answer(event, payload)
        elif event.type == "test_result":
            tests.take(event, payload)
        else:
            patches.take(event, payload)
    return Rollup(
        models=[_model_group(name, calls) for name, calls in _longest(models)],
        tools=[_group(name, calls) for name, calls in _longest(tools)],
        commands=[_group(name, calls) for name, calls in _longest(commands)],
        tests=Tests(**tests.counts),
        patches=Patches(patches.applied, patches.failed, len(patches.paths), patches.added, patches.deleted),
        decisions=Decisions(**decided),
        errors=_errors(store, run, settings),
        left_out={
            "models": max(0, len(models) - GROUPS_MAX),
            "tools": max(0, len(tools) - GROUPS_MAX),
            "commands": max(0, len(commands) - GROUPS_MAX),
        },
    )


def percentile(ordered: list[int], percent: int) -> int | None:
    """The least of the values that so many percent of them don't exceed.

    >>> percentile([1, 2, 3, 4], 50), percentile([1, 2, 3, 4], 95), percentile([], 50)
    (2, 4, None)
    """
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None


class _Calls:
    """Calls of one name, being counted."""

    def __init__(self) -> None:
        self.calls = self.errors = self.tokens_input = self.tokens_output = self.tokens_cached = self.cost_nano = 0
        self.took: list[int] = []

    def take(self, status: str | None, took: int | None) -> None:
        self.calls += 1
        self.errors += status == "error"
        if took is not None:
            self.took.append(max(0, took))

    def take_answer(self, event: StoredEvent, payload: _Payload) -> None:
        self.take(event.status, event.duration_ns)
        usage = payload.usage if isinstance(payload.usage, dict) else {}
        self.tokens_input += _number(usage.get("input_tokens"))
        self.tokens_output += _number(usage.get("output_tokens"))
        self.tokens_cached += _number(usage.get("cached_input_tokens"))
        self.cost_nano += _number(payload.cost_usd, NANO)


class _Counts:
    """Test runs, being counted."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(Tests.__struct_fields__, 0)

    def take(self, event: StoredEvent, payload: _Payload) -> None:
        self.counts["runs"] += 1
        self.counts["runs_failed"] += event.status in ("failed", "error")
        for name in ("passed", "failed", "errors", "skipped"):
            self.counts[name] += _number(getattr(payload, name))


class _Patches:
    """Patches, being counted. A patch that could not be applied changes no line."""

    def __init__(self) -> None:
        self.applied = self.failed = self.added = self.deleted = 0
        self.paths: set[str] = set()

    def take(self, event: StoredEvent, payload: _Payload) -> None:
        if event.status == "error":
            self.failed += 1
            return
        self.applied += 1
        files = [file for file in payload.files if isinstance(file, dict)] if isinstance(payload.files, list) else []
        self.paths.update(path for file in files if (path := _text(file.get("path"))))
        self.added += _lines(payload.added, files, "added")
        self.deleted += _lines(payload.deleted, files, "deleted")


def _lines(total: Any, files: list[dict[Any, Any]], name: str) -> int:
    """The payload's own total, or what its files come to."""
    return _number(total) if total is not None else sum(_number(file.get(name)) for file in files)


def _longest(groups: dict[str, _Calls]) -> list[tuple[str, _Calls]]:
    order = sorted(groups.items(), key=lambda item: (-sum(item[1].took), -item[1].calls, item[0]))
    return order[:GROUPS_MAX]


def _common(name: str, calls: _Calls) -> dict[str, Any]:
    ordered = sorted(calls.took)
    return {
        "name": name,
        "calls": calls.calls,
        "errors": calls.errors,
        "duration_ns_total": min(sum(ordered), INT64_MAX),
        "duration_ns_p50": percentile(ordered, 50),
        "duration_ns_p95": percentile(ordered, 95),
    }


def _group(name: str, calls: _Calls) -> Group:
    return Group(**_common(name, calls))


def _model_group(name: str, calls: _Calls) -> ModelGroup:
    return ModelGroup(
        **_common(name, calls),
        tokens_input=calls.tokens_input,
        tokens_output=calls.tokens_output,
        tokens_cached_input=calls.tokens_cached,
        cost_usd=calls.cost_nano / NANO,
    )


def _envelopes(store: Store, run: RunSummary) -> Iterator[Any]:
    wanted = EventFilter(run_id=run.run_id, types=("tool_result", "exec_result", "capability_decision"))
    position = 0
    while True:
        with store.read() as connection:
            found = read_columns(connection, wanted, position, run.last_event_id, ENVELOPES_CHUNK, _COLUMNS)
        yield from found
        if len(found) < ENVELOPES_CHUNK:
            return
        position = found[-1][0]


def _told_again(store: Store, run: RunSummary) -> set[int]:
    """The answers of calls that another call within them tells again."""
    covered = select(generations.c.answer_id).where(generations.c.run_id == run.run_id, generations.c.covered == 1)
    with store.read() as connection:
        return set(connection.execute(covered).scalars())


def _with_payloads(store: Store, run: RunSummary, settings: Settings) -> Iterator[StoredEvent]:
    wanted = EventFilter(run_id=run.run_id, types=("llm_response", "test_result", "patch_applied"))
    limit = min(PAYLOADS_CHUNK, settings.page_events_max)
    position, more = 0, True
    while more:
        page = read_events(store, wanted, after_id=position, before_id=_end(run), limit=limit, settings=settings)
        yield from page.events
        position, more = page.next_after_id or 0, page.more


def _end(run: RunSummary) -> int:
    return min(run.last_event_id + 1, INT64_MAX)


def _errors(store: Store, run: RunSummary, settings: Settings) -> list[ErrorLine]:
    """The first errors; of the type by its index; of the level by a walk through the run, once, until there are enough."""
    if not run.error_count:
        return []
    limit = min(ERRORS_MAX, settings.page_events_max)
    found: dict[int, StoredEvent] = {}
    for wanted in (
        EventFilter(run_id=run.run_id, types=("error",)),
        EventFilter(run_id=run.run_id, levels=("error",)),
    ):
        page = read_events(store, wanted, after_id=0, before_id=_end(run), limit=limit, settings=settings)
        found.update((event.id, event) for event in page.events)
    return [_error_line(found[place]) for place in sorted(found)[:limit]]


def _error_line(event: StoredEvent) -> ErrorLine:
    payload = _decode(event.payload)
    inner = payload.error if isinstance(payload.error, dict) else {}
    name = event.name or _text(payload.kind) or _text(inner.get("kind"))
    message = _text(payload.message) or _text(inner.get("message")) or _text(payload.error)
    return ErrorLine(event.id, event.type, name, message)


class _Payload(msgspec.Struct):
    """The few things that are wanted from a payload, whatever they are; the decoder steps over the rest."""

    model: Any = None
    usage: Any = None
    cost_usd: Any = None
    passed: Any = None
    failed: Any = None
    errors: Any = None
    skipped: Any = None
    files: Any = None
    added: Any = None
    deleted: Any = None
    kind: Any = None
    message: Any = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Payload)
_NOTHING = _Payload()


def _decode(payload: msgspec.Raw | bytes) -> _Payload:
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return _NOTHING


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any, factor: int = 1) -> int:
    """The value as a whole number, where it is one that makes sense; else nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= INT64_MAX:
        return 0
    return round(value * factor)

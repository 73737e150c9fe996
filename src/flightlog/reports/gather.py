"""One walk over a run's envelopes, by chunks: which events a report tells of, and how many there are of each.

Nothing of it grows with the run beyond the limits here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flightlog.events.envelope import (
    FLAG_ERASED,
    FLAG_IMPORTED,
    FLAG_INVALID,
    FLAG_ORPHAN,
    FLAG_REDACTED,
    FLAG_ROOT,
    FLAG_TRUNCATED,
    FLAG_WITHHELD,
)
from flightlog.journal.columns import read_columns
from flightlog.journal.filter import EventFilter
from flightlog.runs.summary import RunSummary
from flightlog.store.contract import Store

ENVELOPES_CHUNK = 5_000
COMMANDS_MAX = 200
PATCHES_MAX = 100
TESTS_MAX = 100
DECISIONS_MAX = 200
ERRORS_MAX = 50
NOTES_MAX = 50
GAPS_MAX = 100
TOOLS_LOOKED_MAX = 1_000  # of so many tool calls the payloads are read to see which were commands
OPEN_MAX = 5_000  # calls that wait for their answer while walking
NAMES_MAX = 1_000  # models and tools whose first call is remembered
EXAMPLES_MAX = 5
ERASED_LOOKED_MAX = 500

CARE: dict[int, str] = {
    FLAG_TRUNCATED: "truncated",
    FLAG_REDACTED: "redacted",
    FLAG_WITHHELD: "withheld",
    FLAG_ERASED: "erased",
    FLAG_INVALID: "invalid",
    FLAG_ORPHAN: "orphan",
    FLAG_IMPORTED: "imported",
}
_COLUMNS = ("id", "event_id", "type", "name", "status", "level", "flags", "payload_bytes", "correlation_id")


class Picks:
    """Up to `limit` events in order; where there are more, those that failed come before those that went well."""

    def __init__(self, limit: int) -> None:
        self.total = self.failed = 0
        self._limit = limit
        self._bad: list[int] = []
        self._good: list[int] = []

    def take(self, row_id: int, *, failed: bool = False) -> None:
        self.total += 1
        self.failed += failed
        kept = self._bad if failed else self._good
        if len(kept) < self._limit:
            kept.append(row_id)

    @property
    def ids(self) -> list[int]:
        return sorted([*self._bad, *self._good[: self._limit - len(self._bad)]])

    @property
    def left_out(self) -> int:
        return self.total - min(self.total, self._limit)


class Pairs:
    """Questions that wait for their answer, by correlation id."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}
        self.question_of: dict[int, int] = {}

    def ask(self, key: str | None, row_id: int) -> None:
        if key is not None and len(self._open) < OPEN_MAX:
            self._open[key] = row_id

    def answer(self, key: str | None, row_id: int) -> None:
        question = self._open.pop(key, None) if key is not None else None
        if question is not None and len(self.question_of) < OPEN_MAX:
            self.question_of[row_id] = question

    @property
    def unanswered(self) -> list[int]:
        return sorted(self._open.values())


class Gathered:
    """What the walk found, by journal id."""

    def __init__(self) -> None:
        self.events = 0
        self.covered = 0
        self.first_id: int | None = None
        self.last_id: int | None = None
        self.started: int | None = None
        self.finished: int | None = None
        self.root: int | None = None
        self.first_call: int | None = None
        self.last_answer: int | None = None
        self.commands = Picks(COMMANDS_MAX)
        self.patches = Picks(PATCHES_MAX)
        self.tests = Picks(TESTS_MAX)
        self.decisions = Picks(DECISIONS_MAX)
        self.errors = Picks(ERRORS_MAX)
        self.notes = Picks(NOTES_MAX)
        self.gaps = Picks(GAPS_MAX)
        self.tools = Picks(TOOLS_LOOKED_MAX)
        self.pairs: dict[str, Pairs] = {kind: Pairs() for kind in ("exec", "test", "patch", "tool", "decision")}
        self.first_of: dict[tuple[str, str], str] = {}
        self.care: dict[str, tuple[int, list[str]]] = {}
        self.erased: list[int] = []

    def take(self, row: Sequence[Any], signed_id: int) -> None:
        """One envelope."""
        row_id, event_id, type_, name, status, level, flags, payload_bytes, key = row
        self.events += 1
        self.covered += row_id <= signed_id
        self.first_id = row_id if self.first_id is None else self.first_id
        self.last_id = row_id
        if not payload_bytes:
            flags |= FLAG_ERASED
            if len(self.erased) < ERASED_LOOKED_MAX:
                self.erased.append(row_id)
        if flags:
            self._care(flags, event_id, row_id)
        take = _TAKERS.get(type_)
        if take is not None:
            take(self, row_id, status, key)
        if type_ in ("llm_response", "tool_result") and len(self.first_of) < NAMES_MAX:
            self.first_of.setdefault((type_, name or ""), event_id)
        if type_ == "error" or level == "error":
            self.errors.take(row_id, failed=type_ == "error")

    def settle(self) -> None:
        """What was begun and never ended is told too, as a failure."""
        for picks, kind in (
            (self.commands, "exec"), (self.tests, "test"), (self.patches, "patch"), (self.decisions, "decision")
        ):  # fmt: skip
            for row_id in self.pairs[kind].unanswered:
                picks.take(row_id, failed=kind in ("exec", "test"))

    def _care(self, flags: int, event_id: str, row_id: int) -> None:
        for bit, what in CARE.items():
            if flags & bit:
                count, examples = self.care.get(what, (0, []))
                if len(examples) < EXAMPLES_MAX:
                    examples.append(event_id)
                self.care[what] = (count + 1, examples)
        if flags & FLAG_ROOT and self.root is None:
            self.root = row_id

    # ── by type ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run_started(self, row_id: int, status: str | None, key: str | None) -> None:
        self.started = self.started or row_id

    def _run_finished(self, row_id: int, status: str | None, key: str | None) -> None:
        self.finished = row_id

    def _llm_request(self, row_id: int, status: str | None, key: str | None) -> None:
        self.first_call = self.first_call or row_id

    def _llm_response(self, row_id: int, status: str | None, key: str | None) -> None:
        self.first_call = self.first_call or row_id
        self.last_answer = row_id

    def _tool_result(self, row_id: int, status: str | None, key: str | None) -> None:
        self.pairs["tool"].answer(key, row_id)
        self.tools.take(row_id, failed=status == "error")

    def _exec_result(self, row_id: int, status: str | None, key: str | None) -> None:
        self.pairs["exec"].answer(key, row_id)
        self.commands.take(row_id, failed=status == "error")

    def _test_result(self, row_id: int, status: str | None, key: str | None) -> None:
        self.pairs["test"].answer(key, row_id)
        self.tests.take(row_id, failed=status in ("failed", "error"))

    def _patch_applied(self, row_id: int, status: str | None, key: str | None) -> None:
        self.pairs["patch"].answer(key, row_id)
        self.patches.take(row_id, failed=status == "error")

    def _decision(self, row_id: int, status: str | None, key: str | None) -> None:
        if status == "requested" and key is not None:
            self.pairs["decision"].ask(key, row_id)
            return
        self.pairs["decision"].answer(key, row_id)
        self.decisions.take(row_id, failed=status == "denied")

    def _patch_proposed(self, row_id: int, status: str | None, key: str | None) -> None:
        if key is None:
            self.patches.take(row_id)
        self.pairs["patch"].ask(key, row_id)


_TAKERS: dict[str, Callable[[Gathered, int, str | None, str | None], None]] = {
    "run_started": Gathered._run_started,
    "run_finished": Gathered._run_finished,
    "llm_request": Gathered._llm_request,
    "llm_response": Gathered._llm_response,
    "tool_call": lambda found, row_id, status, key: found.pairs["tool"].ask(key, row_id),
    "tool_result": Gathered._tool_result,
    "exec_started": lambda found, row_id, status, key: found.pairs["exec"].ask(key, row_id),
    "exec_result": Gathered._exec_result,
    "test_started": lambda found, row_id, status, key: found.pairs["test"].ask(key, row_id),
    "test_result": Gathered._test_result,
    "patch_proposed": Gathered._patch_proposed,
    "patch_applied": Gathered._patch_applied,
    "capability_decision": Gathered._decision,
    "note": lambda found, row_id, status, key: found.notes.take(row_id),
    "degraded": lambda found, row_id, status, key: found.gaps.take(row_id),
}


def gather(store: Store, run: RunSummary, signed_id: int) -> Gathered:
    """Walk over the run, as far as its summary goes."""
    found = Gathered()
    for row in _envelopes(store, run):
        found.take(row, signed_id)
    found.settle()
    return found


def _envelopes(store: Store, run: RunSummary) -> Iterator[Sequence[Any]]:
    wanted, position = EventFilter(run_id=run.run_id), 0
    while True:
        with store.read() as connection:
            page = read_columns(connection, wanted, position, run.last_event_id, ENVELOPES_CHUNK, _COLUMNS)
        yield from page
        if len(page) < ENVELOPES_CHUNK:
            return
        position = page[-1][0]

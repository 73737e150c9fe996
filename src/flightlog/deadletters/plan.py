"""What a plan to replay dead letters is, as data: its states and moves, its stages, and what can become of a letter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from flightlog.config import Settings
from flightlog.deadletters.filter import LetterFilter
from flightlog.errors import ReplayInvalid

PLANNED, CANARY_1, CANARY_10, REST = "PLANNED", "CANARY_1", "CANARY_10", "REST"
DONE, STOPPED, REFUSED = "DONE", "STOPPED", "REFUSED"
RUNNING = (CANARY_1, CANARY_10, REST)
ENDS = (DONE, STOPPED, REFUSED)

# Every allowed move, by the state that it leaves.
MOVES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        PLANNED: frozenset({CANARY_1, STOPPED, REFUSED}),
        CANARY_1: frozenset({CANARY_10, DONE, STOPPED}),
        CANARY_10: frozenset({REST, DONE, STOPPED}),
        REST: frozenset({DONE, STOPPED}),
        DONE: frozenset(),
        STOPPED: frozenset(),
        REFUSED: frozenset(),
    }
)
# How many letters are replayed in a stage; None: all that are left.
STAGES: Mapping[str, int | None] = MappingProxyType({CANARY_1: 1, CANARY_10: 10, REST: None})
REST_SAMPLE_MIN = 10  # tasks that have to be over before the last stage is judged while it runs

REPLAYED, ALREADY_SUCCEEDED, SUPERSEDED = "replayed", "already_succeeded", "superseded"
QUOTA_REFUSED, VERSION_CONFLICT, CHAIN_TOO_LONG, GONE = "quota_refused", "version_conflict", "chain_too_long", "gone"
OUTCOMES = (REPLAYED, ALREADY_SUCCEEDED, SUPERSEDED, QUOTA_REFUSED, VERSION_CONFLICT, CHAIN_TOO_LONG, GONE)

REASON_CHARS_MAX = 500
BY_CHARS_MAX = 256


class ReplayAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to replay and how. None takes the settings' word; `concurrency` None is the most that is allowed."""

    filter: LetterFilter
    concurrency: int | None = None
    allow_high_concurrency: bool = False
    delete_after_replay: bool = False
    stop_failures_ratio: float | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as it stands. Times are in nanoseconds; `hash` is over the ids of its letters; `because` says why it was stopped or
    refused.
    """

    plan_id: str
    state: str
    filter: LetterFilter
    hash: str
    letters: int
    concurrency: int
    is_high: bool
    delete_after_replay: bool
    stop_failures_ratio: float
    warnings: list[str]
    created_at: int
    created_by: str
    applied_at: int | None
    applied_by: str | None
    reason: str | None
    stage_at: int | None
    finished_at: int | None
    because: str | None


class Pace(NamedTuple):
    """How many tasks may be under way at once, whether that is high concurrency, and what has to be said about it."""

    concurrency: int
    is_high: bool
    warnings: list[str]


def pace(asked: ReplayAsked, settings: Settings) -> Pace:
    """The concurrency of a plan, clamped. Raises ReplayInvalid where it is less than one.

    >>> pace(ReplayAsked(filter=LetterFilter(), concurrency=50), Settings())
    Pace(concurrency=10, is_high=False, warnings=['a concurrency of 50 is clamped to 10; high concurrency allows up to 20'])
    """
    usual = max(settings.replay_concurrency_max, 1)
    high = max(settings.replay_concurrency_high_max, usual)
    most = high if asked.allow_high_concurrency else usual
    wanted = most if asked.concurrency is None else asked.concurrency
    if wanted < 1:
        raise ReplayInvalid(reason=f"a concurrency is at least 1, and not {wanted}")
    warnings = []
    if wanted > most:
        hint = "" if asked.allow_high_concurrency else f"; high concurrency allows up to {high}"
        warnings.append(f"a concurrency of {wanted} is clamped to {most}{hint}")
    return Pace(min(wanted, most), min(wanted, most) > usual, warnings)


def hash_of(letter_ids: Iterable[str]) -> str:
    """What two sets of letters have in common that are the same, in whatever order they are given.

    >>> hash_of(["b", "a"]) == hash_of(["a", "b"]), hash_of(["a"]) == hash_of(["a", "b"])
    (True, False)
    """
    return "sha256:" + sha256("".join(f"{letter_id}\n" for letter_id in sorted(letter_ids)).encode()).hexdigest()


def confirmation(letters: int) -> str:
    """What has to be typed to have so many letters replayed at high concurrency."""
    return f"replay {letters} dead letters"


def needs_confirmation(plan: Plan, settings: Settings) -> bool:
    """Whether this plan is applied only with its confirmation."""
    return plan.is_high and plan.letters >= settings.replay_confirm_letters_min


def plan_of(row: Any) -> Plan:
    """The plan in a row of its table."""
    said = {name: row._mapping[name] for name in Plan.__struct_fields__}
    said["filter"] = msgspec.json.decode(said["filter"], type=LetterFilter)
    said["warnings"] = msgspec.json.decode(said["warnings"])
    said |= {name: bool(said[name]) for name in ("is_high", "delete_after_replay")}
    return Plan(**said)


class Tally(NamedTuple):
    """How a stage stands: letters replayed in it, how many of their tasks are over and how many of these failed again, how many
    letters of the plan still wait, and for how many seconds nothing has moved.
    """

    replayed: int
    ended: int
    failed: int
    waiting: int
    still_seconds: float

    @property
    def under_way(self) -> int:
        """Tasks of the stage that are not over."""
        return self.replayed - self.ended


class Next(NamedTuple):
    """Where a plan goes from its stage, and why, where that is not because all went well."""

    state: str
    because: str | None = None


def judge(stage: str, tally: Tally, stop_failures_ratio: float, stage_seconds: float) -> Next | None:
    """Where the plan goes now; None as long as it stays in its stage.

    A canary is judged when its tasks are over; those that are not when nothing has moved for `stage_seconds` count as failed.
    The rest is judged all the time, once REST_SAMPLE_MIN of its tasks are over.
    """
    size = STAGES[stage]
    is_still = tally.still_seconds >= stage_seconds
    if size is None:
        if tally.ended >= REST_SAMPLE_MIN and tally.failed > stop_failures_ratio * tally.ended:
            return Next(STOPPED, _failed(tally.failed, tally.ended, stop_failures_ratio))
        if tally.waiting and tally.under_way and is_still:
            return Next(STOPPED, f"none of {tally.under_way} tasks under way has moved for {stage_seconds:g} s")
        return Next(DONE) if not tally.waiting and (not tally.under_way or is_still) else None
    if tally.waiting and tally.replayed < size and not (tally.under_way and is_still):
        return None
    if tally.under_way and not is_still:
        return None
    failed = tally.failed + tally.under_way
    if failed > stop_failures_ratio * tally.replayed:
        return Next(STOPPED, _failed(failed, tally.replayed, stop_failures_ratio))
    return Next(_AFTER[stage]) if tally.waiting else Next(DONE)


_AFTER = {CANARY_1: CANARY_10, CANARY_10: REST}


def _failed(failed: int, of: int, ratio: float) -> str:
    return f"{failed} of {of} replayed tasks failed again; at most {100 * ratio:g} % may"

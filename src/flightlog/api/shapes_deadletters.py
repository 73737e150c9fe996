"""Dead letters, plans to replay them, and alerts as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from flightlog.clock import format_ns
from flightlog.config import Settings
from flightlog.deadletters import alerts, listing, progress
from flightlog.deadletters.filter import LetterFilter
from flightlog.deadletters.plan import Plan, confirmation, needs_confirmation
from flightlog.errors import FilterInvalid
from flightlog.filters.params import moment


class LettersGiven(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which letters: all that is given has to hold. `status` and `cause` ask for any of several; `job` is an attempt of a task, as
    `<task id>.<attempt no>`; `event` is a message of the outbox. `since` and `until` are times or ages (`24h`).
    """

    source: str | None = None
    cause: list[str] = []
    status: list[str] = []
    pipeline: str | None = None
    queue: str | None = None
    state: str | None = None
    user: str | None = None
    project: str | None = None
    task: str | None = None
    event: str | None = None
    job: str | None = None
    topic: str | None = None
    kind: str | None = None
    fingerprint: str | None = None
    letter: str | None = None
    since: str | None = None
    until: str | None = None


class ReplayGiven(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A replay to plan: open letters, unless `filter` asks for others. `concurrency` is clamped to 10, or to 20 with
    `allow_high_concurrency`; left out it is the most that is allowed. `by` is who asks, for the audit trail.
    """

    filter: LettersGiven = msgspec.field(default_factory=LettersGiven)
    concurrency: int | None = None
    allow_high_concurrency: bool = False
    delete_after_replay: bool = False
    stop_failures_ratio: float | None = None
    by: str | None = None


class ReplayApplyGiven(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The hash of the plan that was looked at, why it is applied, and where it is asked for, its `confirm`."""

    hash: str
    reason: str
    confirm: str | None = None
    by: str | None = None


class ReplayStopGiven(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why a replay is stopped."""

    reason: str | None = None
    by: str | None = None


class LetterShape(msgspec.Struct, kw_only=True):
    """One dead letter. `source` is task or outbox; of a message, `event_id` and `topic` say which, `round_no` how often it died.
    `status` is OPEN, REPLAYED or RESOLVED since `changed_at`; `plan_id` replayed it. `replay_of` is the letter of the round before,
    `replays` how many came before it. The task's input stays with the task; `input_digest` is of it.
    """

    letter_id: str
    source: str
    cause: str
    task_id: str
    event_id: str | None
    topic: str | None
    round_no: int
    pipeline: str | None
    queue: str | None
    state: str | None
    user_id: str | None
    project: str
    kind: str
    message: str
    fingerprint: str
    attempts: int
    tries: int
    deaths: int
    worker_id: str | None
    input_digest: str | None
    failed_at: str
    replay_of: str | None
    replays: int
    status: str
    changed_at: str
    plan_id: str | None


class LetterPageShape(msgspec.Struct, rename="camel"):
    """A page of letters, the latest first. `nextCursor` is null on the last page."""

    letters: list[LetterShape]
    next_cursor: str | None


class TurnShape(msgspec.Struct, kw_only=True):
    """A plan that a letter was in, and what became of it there."""

    plan_id: str
    outcome: str | None
    detail: str | None
    stage: str | None
    replayed_at: str | None
    next_round_no: int | None
    ended: str | None


class LetterDetailShape(msgspec.Struct):
    """One letter, all letters of its task or message by round, and the plans that it was in, the latest first."""

    letter: LetterShape
    chain: list[LetterShape]
    turns: list[TurnShape]


class LetterGroupShape(msgspec.Struct, kw_only=True):
    """Letters that failed of the same thing: how many, how many of them are open, from when to when, and the last as an example.
    `times` counts them in equal parts of the time that all groups span.
    """

    fingerprint: str
    count: int
    open: int
    first_at: str
    last_at: str
    times: list[int]
    example: LetterShape


class LetterGroupsShape(msgspec.Struct, kw_only=True):
    """Groups, the largest first; `letters` is how many letters match in all."""

    groups: list[LetterGroupShape]
    letters: int
    first_at: str | None
    last_at: str | None


class AlertShape(msgspec.Struct, kw_only=True):
    """One alert: whether it is raised, since when it is as it is (null: always), and its number of now."""

    name: str
    raised: bool
    value: float
    limit: float
    changed_at: str | None
    text: str


class AlertsShape(msgspec.Struct):
    """The alerts about dead letters."""

    alerts: list[AlertShape]


class ReplayPlanShape(msgspec.Struct, kw_only=True):
    """A plan and how far it is. `hash` is what applying it has to name, and `confirm`, where it is not null, what has to be typed.
    `expected` counts its letters by what would have become of them when it was planned, `outcomes` by what did, `ended` by how the
    tasks of those replayed ended; they are left out in lists.
    """

    plan_id: str
    state: str
    filter: LettersGiven
    hash: str
    confirm: str | None
    letters: int
    concurrency: int
    high_concurrency: bool
    delete_after_replay: bool
    stop_failures_ratio: float
    warnings: list[str]
    created_at: str
    created_by: str
    applied_at: str | None
    applied_by: str | None
    reason: str | None
    finished_at: str | None
    because: str | None
    expected: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    outcomes: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    ended: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    waiting: int | msgspec.UnsetType = msgspec.UNSET
    under_way: int | msgspec.UnsetType = msgspec.UNSET


class ReplayPlansShape(msgspec.Struct, rename="camel"):
    """Plans, the latest first. `nextCursor` is null on the last page."""

    plans: list[ReplayPlanShape]
    next_cursor: str | None


class ReplayItemShape(msgspec.Struct, kw_only=True):
    """A letter of a plan. `expected` is the outcome as far as it could be known when it was planned, `outcome` what became of it;
    `next_round_no` is the round of its task that this began, `ended` how that ended.
    """

    letter_no: int
    letter_id: str
    task_id: str
    event_id: str | None
    round_no: int
    expected: str
    stage: str | None
    outcome: str | None
    detail: str | None
    replayed_at: str | None
    next_round_no: int | None
    ended: str | None
    ended_at: str | None


class ReplayItemsShape(msgspec.Struct, rename="camel"):
    """Letters of a plan by their number. Hand `nextAfterNo` back as `afterNo` for those that follow; null on the last page."""

    items: list[ReplayItemShape]
    next_after_no: int | None


# ── from what is asked ───────────────────────────────────────────────────────────────────────────────────────────────

_NAMES = {"user": "user_id", "task": "task_id", "event": "event_id", "letter": "letter_id"}
_SEVERAL = {"cause": "causes", "status": "statuses"}


def letter_filter(given: LettersGiven, now_ns: int) -> LetterFilter:
    """What is asked for, with ages as times. Raises FilterInvalid."""
    said: dict[str, Any] = {}
    for name in given.__struct_fields__:
        value = getattr(given, name)
        if name in ("since", "until"):
            said[name] = moment(name, value, now_ns)
        elif name in _SEVERAL:
            said[_SEVERAL[name]] = tuple(value)
        else:
            said[_NAMES.get(name, name)] = value
    said["statuses"] = tuple(status.upper() for status in said["statuses"])
    if said["since"] is not None and said["until"] is not None and said["since"] >= said["until"]:
        raise FilterInvalid(reason="since is not before until: nothing can match")
    return LetterFilter(**said)


def letters_given(wanted: LetterFilter) -> LettersGiven:
    """The filter as it would be asked for."""
    said = {
        name: getattr(wanted, _NAMES.get(name, name)) for name in LettersGiven.__struct_fields__ if name not in _SEVERAL
    }
    said |= {name: list(getattr(wanted, field)) for name, field in _SEVERAL.items()}
    said |= {name: None if said[name] is None else format_ns(said[name]) for name in ("since", "until")}
    return LettersGiven(**said)


# ── to what is answered ──────────────────────────────────────────────────────────────────────────────────────────────


def letter_shape(letter: listing.Letter) -> LetterShape:
    """A letter as JSON shows it."""
    return LetterShape(**_timed(msgspec.structs.asdict(letter), "failed_at", "changed_at"))


def letter_page_shape(page: listing.LetterPage) -> LetterPageShape:
    """A page of letters."""
    return LetterPageShape([letter_shape(letter) for letter in page.letters], page.next_cursor)


def letter_detail_shape(found: listing.LetterDetail) -> LetterDetailShape:
    """A letter with its chain."""
    turns = [TurnShape(**_timed(msgspec.structs.asdict(turn), "replayed_at")) for turn in found.turns]
    return LetterDetailShape(letter_shape(found.letter), [letter_shape(one) for one in found.chain], turns)


def letter_groups_shape(found: listing.LetterGroups) -> LetterGroupsShape:
    """Groups of letters."""
    groups = [
        LetterGroupShape(
            **_timed(msgspec.structs.asdict(group) | {"example": letter_shape(group.example)}, "first_at", "last_at")
        )
        for group in found.groups
    ]
    return LetterGroupsShape(
        groups=groups, letters=found.letters, first_at=_time(found.first_at), last_at=_time(found.last_at)
    )


def alerts_shape(found: list[alerts.Alert]) -> AlertsShape:
    """The alerts."""
    return AlertsShape(
        [AlertShape(**msgspec.structs.asdict(one) | {"changed_at": _time(one.changed_at or None)}) for one in found]
    )


def plan_shape(plan: Plan, settings: Settings) -> ReplayPlanShape:
    """A plan without how far it is."""
    said = _timed(msgspec.structs.asdict(plan), "created_at", "applied_at", "finished_at")
    del said["stage_at"]
    said["high_concurrency"] = said.pop("is_high")
    said["filter"] = letters_given(plan.filter)
    said["confirm"] = confirmation(plan.letters) if needs_confirmation(plan, settings) else None
    return ReplayPlanShape(**said)


def progress_shape(found: progress.Progress, settings: Settings) -> ReplayPlanShape:
    """A plan with how far it is."""
    made = plan_shape(found.plan, settings)
    made.expected, made.outcomes, made.ended = found.expected, found.outcomes, found.ended
    made.waiting, made.under_way = found.waiting, found.under_way
    return made


def plans_shape(found: list[Plan], limit: int, settings: Settings) -> ReplayPlansShape:
    """A page of plans."""
    more = len(found) > limit
    return ReplayPlansShape(
        [plan_shape(plan, settings) for plan in found[:limit]], found[limit - 1].plan_id if more else None
    )


def items_shape(found: list[progress.Item], limit: int) -> ReplayItemsShape:
    """A page of letters of a plan."""
    items = [
        ReplayItemShape(**_timed(msgspec.structs.asdict(item), "replayed_at", "ended_at")) for item in found[:limit]
    ]
    return ReplayItemsShape(items, items[-1].letter_no if len(found) > limit else None)


def _timed(said: dict[str, Any], *names: str) -> dict[str, Any]:
    return said | {name: _time(said[name]) for name in names}


def _time(moment_ns: int | None) -> str | None:
    return None if moment_ns is None else format_ns(moment_ns)

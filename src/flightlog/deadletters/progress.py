"""Reading plans: one with how far it is, its letters one by one, and all of them."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, func, select

from flightlog.deadletters.plan import Plan, plan_of
from flightlog.deadletters.planning import read_plan
from flightlog.deadletters.table import replay_items, replay_plans
from flightlog.errors import LimitInvalid, ReplayNotFound
from flightlog.journal.filter import is_storable
from flightlog.store.contract import Store

PLANS_MAX = 200
ITEMS_MAX = 1_000


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A letter of a plan. `expected` is the outcome as far as it could be known when it was planned, `outcome` what became of it;
    `next_round_no` is the round of its task that this began, and `ended` how that round ended.
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
    replayed_at: int | None
    next_round_no: int | None
    ended: str | None
    ended_at: int | None


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """A plan and how far it is: how many letters by what was expected, by outcome, and, of those replayed, by how their tasks
    ended; how many still wait, and how many tasks are under way.
    """

    plan: Plan
    expected: dict[str, int]
    outcomes: dict[str, int]
    ended: dict[str, int]
    waiting: int
    under_way: int


def get_progress(store: Store, plan_id: str) -> Progress:
    """Raises ReplayNotFound."""
    if not is_storable(plan_id):
        raise ReplayNotFound(plan_id=plan_id)
    with store.read() as connection:
        return progress_of(connection, plan_id)


def progress_of(connection: Connection, plan_id: str) -> Progress:
    """The same on a connection."""
    plan = read_plan(connection, plan_id)
    item = replay_items.c
    counted = (
        select(item.expected, item.outcome, item.ended, func.count())
        .where(item.plan_id == plan_id)
        .group_by(item.expected, item.outcome, item.ended)
    )
    expected: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    ends: dict[str, int] = {}
    for expectation, outcome, ended, count in connection.execute(counted):
        for name, counts in ((expectation, expected), (outcome, outcomes), (ended, ends)):
            if name is not None:
                counts[name] = counts.get(name, 0) + count
    return Progress(
        plan=plan,
        expected=expected,
        outcomes=outcomes,
        ended=ends,
        waiting=plan.letters - sum(outcomes.values()),
        under_way=outcomes.get("replayed", 0) - sum(ends.values()),
    )


def list_items(
    store: Store, plan_id: str, *, after_no: int = 0, limit: int = 100, outcome: str | None = None
) -> list[Item]:
    """Letters of a plan by their number, after this one. Raises LimitInvalid."""
    if not 1 <= limit <= ITEMS_MAX:
        raise LimitInvalid(limit=limit, limit_max=ITEMS_MAX)
    item = replay_items.c
    asked = select(*(item[name] for name in Item.__struct_fields__)).where(item.plan_id == plan_id)
    asked = asked.where(item.letter_no > after_no).order_by(item.letter_no).limit(limit)
    if outcome is not None:
        asked = asked.where(item.outcome == outcome)
    with store.read() as connection:
        return [Item(**row._mapping) for row in connection.execute(asked)]


def list_plans(store: Store, *, limit: int = 50, before: str | None = None) -> list[Plan]:
    """Plans, the latest first; `before` is the id of the last plan of the page before. Raises LimitInvalid."""
    if not 1 <= limit <= PLANS_MAX:
        raise LimitInvalid(limit=limit, limit_max=PLANS_MAX)
    asked = select(replay_plans).order_by(replay_plans.c.plan_id.desc()).limit(limit)  # ids are in the order of time
    if before is not None:
        asked = asked.where(replay_plans.c.plan_id < before)
    with store.read() as connection:
        return [plan_of(row) for row in connection.execute(asked)]

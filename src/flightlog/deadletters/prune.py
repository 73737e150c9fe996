"""Dropping letters that are dealt with and plans that are over, once they were kept long enough; a few at a time."""

from __future__ import annotations

from sqlalchemy import delete, func, select

from flightlog.deadletters.letters import OPEN
from flightlog.deadletters.plan import RUNNING
from flightlog.deadletters.table import dead_letters, replay_items, replay_plans
from flightlog.store.contract import Store, Tx

ROWS_MAX = 500  # in one transaction


def prune(store: Store, before_ns: int) -> int:
    """Drop what was dealt with before then; how many letters and plans. Open letters and running plans are never dropped."""
    total = 0
    while found := store.write(lambda tx: _some_letters(tx, before_ns)):
        total += found
    with store.read() as connection:
        plan = replay_plans.c
        old = func.coalesce(plan.finished_at, plan.created_at) < before_ns
        plans = connection.execute(select(plan.plan_id).where(old, plan.state.not_in(RUNNING))).scalars().all()
    for plan_id in plans:
        while store.write(lambda tx, plan_id=plan_id: _some_items(tx, plan_id)):  # type: ignore[misc]
            pass
    return total + len(plans)


def _some_letters(tx: Tx, before_ns: int) -> int:
    letter = dead_letters.c
    old = select(letter.letter_id).where(
        letter.status != OPEN, letter.failed_at < before_ns, letter.changed_at < before_ns
    )
    return tx.sql.execute(delete(dead_letters).where(letter.letter_id.in_(old.limit(ROWS_MAX)))).rowcount


def _some_items(tx: Tx, plan_id: str) -> int:
    """The letters of a plan, and with the last of them the plan."""
    item = replay_items.c
    some = select(item.letter_no).where(item.plan_id == plan_id).limit(ROWS_MAX)
    gone = tx.sql.execute(delete(replay_items).where(item.plan_id == plan_id, item.letter_no.in_(some))).rowcount
    if not gone:
        tx.sql.execute(delete(replay_plans).where(replay_plans.c.plan_id == plan_id))
    return gone

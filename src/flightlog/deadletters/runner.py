"""Running plans: letter by letter, stage by stage, a bounded number of tasks under way at once.

What becomes of a letter is written in the transaction that has it done again. So a process that is killed loses nothing and does
nothing twice: whoever has the plan's lease next goes on after the last letter that has an outcome.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any, NamedTuple, Protocol

import msgspec
from sqlalchemy import Connection, delete, func, or_, select, update

from flightlog.clock import NS_PER_SECOND
from flightlog.config import Settings
from flightlog.deadletters import letters
from flightlog.deadletters.letters import EVENT_SOURCE, OUTBOX, Intake
from flightlog.deadletters.plan import (
    ALREADY_SUCCEEDED,
    CHAIN_TOO_LONG,
    GONE,
    QUOTA_REFUSED,
    REPLAYED,
    RUNNING,
    STAGES,
    SUPERSEDED,
    VERSION_CONFLICT,
    Plan,
    Tally,
    judge,
    plan_of,
)
from flightlog.deadletters.planning import FINISH, Standings, Tell, move
from flightlog.deadletters.progress import progress_of
from flightlog.deadletters.table import (
    IS_REPLAYED,
    IS_RUNNING,
    IS_UNDER_WAY,
    IS_WAITING,
    dead_letters,
    replay_items,
    replay_plans,
)
from flightlog.errors import MoveIllegal, QuotaExceeded, ReplayMoveIllegal, TaskErased, TaskNotFound, VersionConflict
from flightlog.events.envelope import Event
from flightlog.journal.append import Journal
from flightlog.outbox.revive import revive
from flightlog.outbox.states import DEAD, PUBLISHED
from flightlog.outbox.table import outbox_events
from flightlog.store.contract import Store, Tx

LETTERS_PER_TICK = 200
SETTLED_PER_TICK = 500
TASK_ENDS = ("SUCCEEDED", "FAILED", "CANCELED")


class InRound(Protocol):
    """A task, of which nothing but its round matters here."""

    @property
    def round_no(self) -> int: ...


class RetryIn(Protocol):
    """Has a task that failed done again, in the transaction of the caller."""

    def __call__(self, tx: Tx, task_id: str, reason: str | None = None) -> InRound:
        """Raises TaskNotFound, MoveIllegal where it is under way or has succeeded, QuotaExceeded, VersionConflict."""


class Replayed(NamedTuple):
    """What became of a letter, and the round of its task that this began."""

    outcome: str
    detail: str | None = None
    next_round_no: int | None = None


class _AnotherRound(Exception):
    """The task is not in the round any more that the letter is about."""


class ReplayRunner:
    """Runs the plans of a store that are applied. Any number of processes have one: a plan is run by who has its lease.

    `holder` names the process. `tick` is called from one thread.
    """

    def __init__(
        self,
        store: Store,
        journal: Journal,
        intake: Intake,
        settings: Settings,
        tell: Tell,
        retry_in: RetryIn,
        standings: Standings,
        holder: str,
    ) -> None:
        self._store = store
        self._journal = journal
        self._intake = intake
        self._settings = settings
        self._tell = tell
        self._retry_in = retry_in
        self._standings = standings
        self._holder = holder
        self._had_since: dict[str, int] = {}  # by plan: nothing moves while nobody is there to move it

    def tick(self, now_ns: int) -> bool:
        """Take note of what is over, do what can be done of every plan whose lease is ours; whether anything is under way."""
        with self._store.read() as connection:
            asked = select(replay_plans).where(IS_RUNNING).order_by(replay_plans.c.applied_at)
            running = connection.execute(asked).all()
        mine = [plan_of(row) for row in running if self._lease(row, now_ns)]
        self._had_since = {plan.plan_id: self._had_since.get(plan.plan_id, now_ns) for plan in mine}
        left = self._settle(now_ns)
        for plan in mine:
            self._run(plan, now_ns)
        return bool(mine) or left > 0

    # ── the lease ────────────────────────────────────────────────────────────────────────────────────────────────

    def _lease(self, row: Any, now_ns: int) -> bool:
        """Whether this process runs the plan: it has the lease, or takes one that nobody has any more."""
        lease_ns = int(self._settings.replay_lease_seconds * NS_PER_SECOND)
        if row.holder is not None and row.held_until > now_ns:
            if row.holder != self._holder:
                return False
            if row.held_until - now_ns > lease_ns // 2:
                return True
        plan = replay_plans.c
        free = or_(plan.holder.is_(None), plan.holder == self._holder, plan.held_until <= now_ns)
        take = update(replay_plans).where(plan.plan_id == row.plan_id, IS_RUNNING, free)
        take = take.values(holder=self._holder, held_until=now_ns + lease_ns)
        return bool(self._store.write(lambda tx: tx.sql.execute(take).rowcount))

    def let_go(self) -> None:
        """Let another process go on at once. Raises what the store raises."""
        plan = replay_plans.c
        mine = update(replay_plans).where(plan.holder == self._holder, IS_RUNNING).values(holder=None, held_until=None)
        self._store.write(lambda tx: tx.sql.execute(mine).rowcount)

    # ── one plan ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, plan: Plan, now_ns: int) -> None:
        """See whether the stage is over, else replay as many as there is room for, until neither changes anything."""
        while plan.state in RUNNING:
            moved = self._judge(plan, now_ns)
            if moved is None and not self._fill(plan, now_ns):
                return
            plan = moved or plan

    def _fill(self, plan: Plan, now_ns: int) -> int:
        """Replay letters until there is no room, in the stage or at once; how many had their turn."""
        with self._store.read() as connection:
            room, numbers = self._room(connection, plan), self._next(connection, plan)
        turns = 0
        for letter_no in numbers:
            if room <= 0:
                break
            outcome = self._store.write(partial(self._replay, plan, letter_no, now_ns))
            if outcome is None:
                return 0  # somebody stopped it, or has it now
            turns += 1
            room -= outcome == REPLAYED
        return turns

    @staticmethod
    def _room(connection: Connection, plan: Plan) -> int:
        """How many more may be replayed now."""
        item, size = replay_items.c, STAGES[plan.state]
        under_way = connection.execute(select(item.plan_id).where(IS_UNDER_WAY)).scalars().all()
        room = plan.concurrency - under_way.count(plan.plan_id)
        if size is None or room <= 0:
            return room
        of_stage = item.plan_id == plan.plan_id, item.stage == plan.state, IS_REPLAYED
        return min(room, size - _count(connection, *of_stage))

    @staticmethod
    def _next(connection: Connection, plan: Plan) -> list[int]:
        """The numbers of the letters whose turn it is next."""
        item = replay_items.c
        asked = select(item.letter_no).where(item.plan_id == plan.plan_id, IS_WAITING)
        return list(connection.execute(asked.order_by(item.letter_no).limit(LETTERS_PER_TICK)).scalars())

    # ── one letter ───────────────────────────────────────────────────────────────────────────────────────────────

    def _replay(self, plan: Plan, letter_no: int, now_ns: int, tx: Tx) -> str | None:
        """Have this letter done again and write down what became of it; None where the plan was stopped or is another's."""
        row = replay_plans.c
        held = select(row.plan_id).where(
            row.plan_id == plan.plan_id, row.state == plan.state, row.holder == self._holder
        )
        item = tx.sql.execute(
            select(replay_items).where(
                replay_items.c.plan_id == plan.plan_id, replay_items.c.letter_no == letter_no, IS_WAITING
            )
        ).first()
        if item is None or tx.sql.execute(held).first() is None:
            return None
        letter = tx.sql.execute(select(dead_letters).where(dead_letters.c.letter_id == item.letter_id)).first()
        made = self._done_again(tx, plan, letter, now_ns)
        tx.sql.execute(
            update(replay_items)
            .where(replay_items.c.plan_id == plan.plan_id, replay_items.c.letter_no == letter_no)
            .values(
                stage=plan.state, outcome=made.outcome, detail=made.detail, replayed_at=now_ns,
                next_round_no=made.next_round_no,
            )
        )  # fmt: skip
        if made.outcome == REPLAYED:
            self._mark(tx, plan, item.letter_id, now_ns)
        self._record(tx, plan, item, letter, made, now_ns)
        return made.outcome

    def _done_again(self, tx: Tx, plan: Plan, letter: Any, now_ns: int) -> Replayed:
        if letter is None:
            return Replayed(GONE, "the letter was deleted")
        if letter.status == letters.RESOLVED:
            return Replayed(ALREADY_SUCCEEDED)
        if letter.replays >= self._settings.replay_chain_max:
            return Replayed(CHAIN_TOO_LONG, f"it was replayed {letter.replays} times before")
        if letter.status != letters.OPEN:
            return Replayed(SUPERSEDED, "it was done again meanwhile")
        return self._revived(tx, letter, now_ns) if letter.source == OUTBOX else self._retried(tx, plan, letter)

    def _revived(self, tx: Tx, letter: Any, now_ns: int) -> Replayed:
        if revive(tx, letter.event_id, now_ns):
            return Replayed(REPLAYED)
        status = _message_states(tx.sql, [letter.event_id]).get(letter.event_id)
        if status is None:
            return Replayed(GONE, "the message is not in the outbox any more")
        return Replayed(ALREADY_SUCCEEDED if status == PUBLISHED else SUPERSEDED, f"the message is {status}")

    def _retried(self, tx: Tx, plan: Plan, letter: Any) -> Replayed:
        try:
            with tx.sql.begin_nested():  # what is refused half-way must leave nothing of itself
                task = self._retry_in(tx, letter.task_id, f"replay {plan.plan_id}: {plan.reason}")
                if task.round_no != letter.round_no + 1:
                    raise _AnotherRound
        except _AnotherRound:
            return Replayed(SUPERSEDED, "the task had another round since")
        except (TaskNotFound, TaskErased) as error:
            return Replayed(GONE, str(error))
        except MoveIllegal as error:
            succeeded = error.facts.get("before") == "SUCCEEDED"
            return Replayed(ALREADY_SUCCEEDED if succeeded else SUPERSEDED, f"the task is {error.facts.get('before')}")
        except QuotaExceeded as error:
            return Replayed(QUOTA_REFUSED, str(error))
        except VersionConflict as error:
            return Replayed(VERSION_CONFLICT, str(error))
        return Replayed(REPLAYED, next_round_no=task.round_no)

    def _mark(self, tx: Tx, plan: Plan, letter_id: str, now_ns: int) -> None:
        mine = dead_letters.c.letter_id == letter_id
        if plan.delete_after_replay:
            tx.sql.execute(delete(dead_letters).where(mine))
        else:
            values = {"status": letters.REPLAYED, "changed_at": now_ns, "plan_id": plan.plan_id}
            tx.sql.execute(update(dead_letters).where(mine).values(values))

    def _record(self, tx: Tx, plan: Plan, item: Any, letter: Any, made: Replayed, now_ns: int) -> None:
        said = {
            "letter_id": item.letter_id, "plan_id": plan.plan_id, "outcome": made.outcome, "detail": made.detail,
            "stage": plan.state, "round_no": made.next_round_no, "reason": plan.reason,
            "deleted": True if plan.delete_after_replay and made.outcome == REPLAYED else None,
        }  # fmt: skip
        event = Event(
            event_id=f"replay-{plan.plan_id}-{item.letter_no}",
            type="dead_letter_replayed",
            created_at=now_ns,
            run_id=item.task_id,
            project=self._settings.project if letter is None else letter.project,
            name=None if letter is None else letter.pipeline or letter.topic,
            level="info" if made.outcome == REPLAYED else "warn",
            source=EVENT_SOURCE,
            actor=plan.applied_by,
            task_id=item.task_id,
            payload=msgspec.Raw(msgspec.json.encode({name: one for name, one in said.items() if one is not None})),
        )
        self._journal.append_in(tx, [self._intake.prepare(event)])

    # ── what is over ─────────────────────────────────────────────────────────────────────────────────────────────

    def _settle(self, now_ns: int) -> int:
        """Write down which of the tasks and messages under way are over, and how they ended; how many are not.

        Those of plans that were stopped as well; and if two processes do, it is done once.
        """
        with self._store.read() as connection:
            under_way = connection.execute(select(replay_items).where(IS_UNDER_WAY).limit(SETTLED_PER_TICK)).all()
            ended = self._ended(connection, under_way) if under_way else []

        def work(tx: Tx) -> None:
            item, letter = replay_items.c, dead_letters.c
            for one, how in ended:
                mine = item.plan_id == one.plan_id, item.letter_no == one.letter_no, IS_UNDER_WAY
                tx.sql.execute(update(replay_items).where(*mine).values(ended=how, ended_at=now_ns))
                if one.event_id is not None and how == "SUCCEEDED":
                    told = letter.letter_id == one.letter_id
                    values = {"status": letters.RESOLVED, "changed_at": now_ns}
                    tx.sql.execute(update(dead_letters).where(told).values(values))

        if ended:
            self._store.write(work)
        return len(under_way) - len(ended)

    def _ended(self, connection: Connection, under_way: Collection[Any]) -> list[tuple[Any, str]]:
        standings = self._standings(connection, [one.task_id for one in under_way if one.event_id is None])
        messages = _message_states(connection, [one.event_id for one in under_way if one.event_id is not None])
        found = []
        for one in under_way:
            if one.event_id is not None:
                status = messages.get(one.event_id, PUBLISHED)  # what was published is dropped after a while
                how = {PUBLISHED: "SUCCEEDED", DEAD: "FAILED"}.get(status)
            elif (standing := standings.get(one.task_id)) is None:
                how = "CANCELED"
            elif standing.round_no > one.next_round_no:
                how = "FAILED"  # or canceled: it was done once more since
            else:
                how = standing.state if standing.state in TASK_ENDS else None
            if how is not None:
                found.append((one, how))
        return found

    # ── the stage ────────────────────────────────────────────────────────────────────────────────────────────────

    def _judge(self, plan: Plan, now_ns: int) -> Plan | None:
        """Move the plan on where its stage is over; the plan as it is then, None where it stays."""
        with self._store.read() as connection:
            tally = self._tally(connection, plan, now_ns)
        to = judge(plan.state, tally, plan.stop_failures_ratio, self._settings.replay_stage_seconds)
        if to is None:
            return None

        def work(tx: Tx) -> Plan | None:
            values: dict[str, Any] = {"stage_at": now_ns}
            if to.state not in RUNNING:
                values |= {"finished_at": now_ns, "because": to.because, "holder": None, "held_until": None}
            try:
                move(tx, plan, to.state, values)
            except ReplayMoveIllegal:
                return None  # somebody stopped it just now
            now = progress_of(tx.sql, plan.plan_id)
            if to.state not in RUNNING:
                details = {"state": to.state, "because": to.because, "outcomes": now.outcomes, "ended": now.ended}
                self._tell(
                    tx, FINISH, actor=str(plan.applied_by), plan_id=plan.plan_id, outcome=to.state.lower(),
                    details=details,
                )  # fmt: skip
            return now.plan

        return self._store.write(work)

    def _tally(self, connection: Connection, plan: Plan, now_ns: int) -> Tally:
        item = replay_items.c
        of_stage = item.plan_id == plan.plan_id, item.stage == plan.state, IS_REPLAYED
        asked = select(
            func.count(),
            func.count(item.ended),
            func.count().filter(item.ended == "FAILED"),
            func.max(item.replayed_at),
            func.max(item.ended_at),
        ).where(*of_stage)
        replayed, ended, failed, *moments = connection.execute(asked).one()
        last = max(
            moment for moment in (self._had_since.get(plan.plan_id), plan.stage_at, *moments, 0) if moment is not None
        )
        waiting = _count(connection, item.plan_id == plan.plan_id, IS_WAITING)
        return Tally(replayed, ended, failed, waiting, max(now_ns - last, 0) / NS_PER_SECOND)


def _count(connection: Connection, *which: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(replay_items).where(*which)).scalar_one())


def _message_states(connection: Connection, event_ids: Collection[str]) -> dict[str, str]:
    if not event_ids:
        return {}
    message = outbox_events.c
    asked = select(message.event_id, message.status).where(message.event_id.in_(event_ids))
    return {row.event_id: row.status for row in connection.execute(asked)}

"""Planning a replay, applying the plan and stopping it. Each is one transaction; what is replayed then is the runner's work."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, insert, select, update

from flightlog.clock import Clock
from flightlog.config import Settings
from flightlog.deadletters.filter import LetterFilter, conditions
from flightlog.deadletters.letters import OPEN, RESOLVED, TASK, Intake
from flightlog.deadletters.plan import (
    ALREADY_SUCCEEDED,
    BY_CHARS_MAX,
    CANARY_1,
    CHAIN_TOO_LONG,
    GONE,
    MOVES,
    PLANNED,
    REASON_CHARS_MAX,
    REFUSED,
    REPLAYED,
    STOPPED,
    SUPERSEDED,
    Plan,
    ReplayAsked,
    confirmation,
    hash_of,
    needs_confirmation,
    pace,
    plan_of,
)
from flightlog.deadletters.table import dead_letters, replay_items, replay_plans
from flightlog.errors import (
    FlightlogError,
    ReplayInvalid,
    ReplayMoveIllegal,
    ReplayNotFound,
    ReplaySetChanged,
    ReplayUnconfirmed,
)
from flightlog.events.envelope import FLAG_WITHHELD, Event
from flightlog.ids import Ids
from flightlog.store.contract import Store, Tx

IDS_AT_ONCE = 500
REPLAY, STOP, FINISH = "deadletters.replay", "deadletters.stop", "deadletters.finish"


class Standing(Protocol):
    """Where a task stands."""

    @property
    def state(self) -> str: ...
    @property
    def round_no(self) -> int: ...


Standings = Callable[[Connection, Collection[str]], Mapping[str, Standing]]


class Tell(Protocol):
    """Puts what somebody did with a plan into the audit trail, in the transaction that does it."""

    def __call__(
        self, tx: Tx, operation: str, *, actor: str, plan_id: str, outcome: str, details: dict[str, Any]
    ) -> None: ...


class Replays:
    """The commands over plans of one store."""

    def __init__(
        self,
        store: Store,
        intake: Intake,
        settings: Settings,
        clock: Clock,
        ids: Ids,
        tell: Tell,
        standings: Standings,
    ) -> None:
        self.store = store
        self.settings = settings
        self._intake = intake
        self._clock = clock
        self._ids = ids
        self._tell = tell
        self._standings = standings
        self.on_applied: Callable[[], None] | None = None  # wakes whoever runs plans in this process

    # ── a dry run ────────────────────────────────────────────────────────────────────────────────────────────────

    def plan(self, asked: ReplayAsked, by: str) -> Plan:
        """Freeze what the filter finds now (open letters, unless it asks for others), oldest first, and say what would happen.

        Nothing is replayed. Raises ReplayInvalid, FilterInvalid.
        """
        by = _said("by", by, BY_CHARS_MAX)
        ratio = self.settings.replay_stop_failures_ratio
        ratio = ratio if asked.stop_failures_ratio is None else asked.stop_failures_ratio
        if not 0 <= ratio <= 1:
            raise ReplayInvalid(reason=f"the share of failures that stops it is from 0 to 1, and not {ratio:g}")
        wanted = asked.filter
        if not wanted.statuses:
            wanted = msgspec.structs.replace(wanted, statuses=(OPEN,))
        now = self._clock.now_ns()
        chosen = pace(asked, self.settings)
        plan_id = self._ids.run_id(now)

        def work(tx: Tx) -> Plan:
            found = self._matching(tx.sql, wanted)
            expected = [self._expect(letter, standing) for letter, standing in self._with_standings(tx.sql, found)]
            row = {
                "plan_id": plan_id, "state": PLANNED, "filter": msgspec.json.encode(wanted).decode(),
                "hash": hash_of(letter.letter_id for letter in found), "letters": len(found),
                "concurrency": chosen.concurrency, "is_high": int(chosen.is_high),
                "delete_after_replay": int(asked.delete_after_replay), "stop_failures_ratio": float(ratio),
                "warnings": msgspec.json.encode(chosen.warnings + _warnings(expected)).decode(), "created_at": now,
                "created_by": by,
            }  # fmt: skip
            tx.sql.execute(insert(replay_plans), row)
            rows = [
                {
                    "plan_id": plan_id, "letter_no": number, "letter_id": letter.letter_id, "task_id": letter.task_id,
                    "event_id": letter.event_id, "round_no": letter.round_no, "replays": letter.replays,
                    "expected": outcome,
                }
                for number, (letter, outcome) in enumerate(zip(found, expected, strict=True), 1)
            ]  # fmt: skip
            if rows:
                tx.sql.execute(insert(replay_items), rows)
            return read_plan(tx.sql, plan_id)

        return self.store.write(work)

    def _matching(self, connection: Connection, wanted: LetterFilter) -> list[Any]:
        """The letters that match, oldest first. Raises ReplayInvalid where they are more than one plan takes."""
        letter, most = dead_letters.c, self.settings.replay_letters_max
        asked = select(
            letter.letter_id,
            letter.task_id,
            letter.event_id,
            letter.round_no,
            letter.replays,
            letter.status,
            letter.source,
        ).where(*conditions(wanted))
        found = connection.execute(asked.order_by(letter.failed_at, letter.letter_id).limit(most + 1)).all()
        if len(found) > most:
            raise ReplayInvalid(reason=f"more than {most} letters match, the most in one plan; ask for fewer")
        return list(found)

    def _with_standings(self, connection: Connection, letters: list[Any]) -> Iterator[tuple[Any, Standing | None]]:
        for some in _batches(letters, IDS_AT_ONCE):
            standings = self._standings(connection, [one.task_id for one in some if one.source == TASK])
            yield from ((one, standings.get(one.task_id)) for one in some)

    def _expect(self, letter: Any, standing: Standing | None) -> str:
        """What would become of it now. Whether there is quota left shows only when it is done."""
        if letter.status == RESOLVED or (standing is not None and standing.state == "SUCCEEDED"):
            return ALREADY_SUCCEEDED
        if letter.replays >= self.settings.replay_chain_max:
            return CHAIN_TOO_LONG
        if letter.source == TASK and standing is None:
            return GONE
        if standing is not None and (standing.state, standing.round_no) != ("FAILED", letter.round_no):
            return SUPERSEDED
        return REPLAYED if letter.status == OPEN else SUPERSEDED

    # ── for good ─────────────────────────────────────────────────────────────────────────────────────────────────

    def apply(self, plan_id: str, hash: str, *, reason: str, by: str, confirm: str | None = None) -> Plan:  # noqa: A002
        """Begin to replay the letters of a plan, whose hash has to be known.

        Raises ReplayNotFound; ReplayInvalid without a reason; ReplayMoveIllegal where it was applied or stopped before;
        ReplayUnconfirmed where it is large and `confirm` is not what has to be typed; ReplaySetChanged where other letters match
        by now, and then it is REFUSED for good. A refusal is in the audit trail too.
        """
        by = _said("by", by, BY_CHARS_MAX)
        reason = self._clean(_said("a reason", reason, REASON_CHARS_MAX))

        def work(tx: Tx) -> Plan | FlightlogError:
            now = self._clock.now_ns()
            plan = read_plan(tx.sql, plan_id)
            if plan.state != PLANNED:
                raise ReplayMoveIllegal(plan_id=plan_id, state=plan.state, action="applied")
            details = {"letters": plan.letters, "hash": plan.hash, "concurrency": plan.concurrency, "reason": reason}
            refusal = self._refusal(tx, plan, hash, confirm)
            if refusal is None:
                values = {"applied_at": now, "applied_by": by, "reason": reason, "stage_at": now}
                move(tx, plan, CANARY_1, values)
            elif isinstance(refusal, ReplaySetChanged) and hash == plan.hash:
                move(tx, plan, REFUSED, {"finished_at": now, "because": str(refusal.facts["reason"])})
            if refusal is not None:
                details["refused"] = str(refusal)
            outcome = "succeeded" if refusal is None else "refused"
            self._tell(tx, REPLAY, actor=by, plan_id=plan_id, outcome=outcome, details=details)
            return read_plan(tx.sql, plan_id) if refusal is None else refusal

        answer = self.store.write(work)
        if isinstance(answer, FlightlogError):
            raise answer
        if self.on_applied is not None:
            self.on_applied()
        return answer

    def _refusal(self, tx: Tx, plan: Plan, hash: str, confirm: str | None) -> FlightlogError | None:  # noqa: A002
        if hash != plan.hash:
            return ReplaySetChanged(plan_id=plan.plan_id, reason="the hash that was given is not the plan's")
        if hash_of(letter.letter_id for letter in self._matching(tx.sql, plan.filter)) != plan.hash:
            return ReplaySetChanged(plan_id=plan.plan_id, reason="the filter finds others by now")
        wanted = confirmation(plan.letters)
        if needs_confirmation(plan, self.settings) and confirm != wanted:
            return ReplayUnconfirmed(letters=plan.letters, concurrency=plan.concurrency, confirm=wanted)
        return None

    def stop(self, plan_id: str, *, by: str, reason: str | None = None) -> Plan:
        """Replay no more of this plan; what was replayed goes its way.

        Raises ReplayNotFound, ReplayMoveIllegal where it is over.
        """
        by = _said("by", by, BY_CHARS_MAX)
        why = self._clean(_said("a reason", reason, REASON_CHARS_MAX)) if reason else f"{by} stopped it"

        def work(tx: Tx) -> Plan:
            plan = read_plan(tx.sql, plan_id)
            if STOPPED not in MOVES[plan.state]:
                raise ReplayMoveIllegal(plan_id=plan_id, state=plan.state, action="stopped")
            move(tx, plan, STOPPED, {"finished_at": self._clock.now_ns(), "because": why})
            details = {"state": plan.state, "reason": why}
            self._tell(tx, STOP, actor=by, plan_id=plan_id, outcome="succeeded", details=details)
            return read_plan(tx.sql, plan_id)

        return self.store.write(work)

    def _clean(self, text: str) -> str:
        """The text without secrets."""
        body = msgspec.Raw(msgspec.json.encode({"text": text}))
        kept = self._intake.prepare(Event(event_id="reason", type="note", created_at=0, payload=body))
        return "withheld" if kept.flags & FLAG_WITHHELD else str(msgspec.json.decode(bytes(kept.payload))["text"])


def read_plan(connection: Connection, plan_id: str) -> Plan:
    """Raises ReplayNotFound."""
    row = connection.execute(select(replay_plans).where(replay_plans.c.plan_id == plan_id)).first()
    if row is None:
        raise ReplayNotFound(plan_id=plan_id)
    return plan_of(row)


def move(tx: Tx, plan: Plan, to: str, values: dict[str, Any]) -> None:
    """Move a plan. Raises ReplayMoveIllegal where there is no such move, or somebody else moved it since it was read."""
    row = replay_plans.c
    changed = update(replay_plans).where(row.plan_id == plan.plan_id, row.state == plan.state)
    if to not in MOVES[plan.state] or not tx.sql.execute(changed.values(state=to, **values)).rowcount:
        raise ReplayMoveIllegal(plan_id=plan.plan_id, state=plan.state, action=f"moved to {to}")


def _said(what: str, text: str, chars_max: int) -> str:
    text = text.strip().replace("\x00", "")
    if not text or len(text) > chars_max or not text.isprintable():
        raise ReplayInvalid(reason=f"{what} is needed, of 1 to {chars_max} characters in one line")
    return text


def _warnings(expected: list[str]) -> list[str]:
    left_out = {outcome: expected.count(outcome) for outcome in dict.fromkeys(expected) if outcome != REPLAYED}
    return [f"{count} of {len(expected)} would not be replayed: {name}" for name, count in sorted(left_out.items())]


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch

"""Costs worked out again, when somebody asks for it: after prices were mended or added. It is never done by itself."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Select, bindparam, or_, select, update

from flightlog.clock import Clock
from flightlog.events.envelope import Event
from flightlog.ids import Ids
from flightlog.journal.append import Journal
from flightlog.journal.history import outdate
from flightlog.runs.calls import INT64_MAX, NANO
from flightlog.runs.generation_filter import GenerationFilter, conditions
from flightlog.runs.generation_table import generations
from flightlog.runs.pricing import PriceList, Tokens, cost_of
from flightlog.runs.project import add_costs
from flightlog.runs.summary import SYSTEM_CLOCK
from flightlog.store.contract import Store, Tx

BATCH_ROWS = 2_000  # in one transaction, so that appends are not kept waiting
EXAMPLES_MAX = 20
OPERATION = "prices.recompute"

_SET_COST = (
    update(generations)
    .where(generations.c.id == bindparam("key"))
    .values({name: bindparam(name) for name in ("cost_nano_usd", "cost_source", "price_id")})
)


class ModelChange(msgspec.Struct, kw_only=True):
    """What changed of one model's generations."""

    model: str
    generations: int = 0
    before_nano_usd: int = 0
    after_nano_usd: int = 0
    price_id: str | None = None


class Recomputed(msgspec.Struct, kw_only=True):
    """What a recomputation looked at, and what it changed, or would change in a dry run. Costs are of what changed, in
    billionths of a dollar."""

    dry_run: bool
    looked_at: int = 0
    changed: int = 0
    before_nano_usd: int = 0
    after_nano_usd: int = 0
    models: list[ModelChange] = []
    event_ids: list[str] = []

    def add(self, model: str, before: int, after: int, price_id: str | None) -> None:
        """Count one change."""
        self.changed += 1
        self.before_nano_usd += before
        self.after_nano_usd += after
        found = next((one for one in self.models if one.model == model and one.price_id == price_id), None)
        if found is None:
            found = ModelChange(model=model, price_id=price_id)
            self.models.append(found)
        found.generations += 1
        found.before_nano_usd += before
        found.after_nano_usd += after

    def join(self, piece: Recomputed) -> None:
        """Count what another piece changed."""
        self.looked_at += piece.looked_at
        self.event_ids += piece.event_ids
        for one in piece.models:
            known = next((m for m in self.models if m.model == one.model and m.price_id == one.price_id), None)
            if known is None:
                self.models.append(one)
            else:
                known.generations += one.generations
                known.before_nano_usd += one.before_nano_usd
                known.after_nano_usd += one.after_nano_usd
        self.changed += piece.changed
        self.before_nano_usd += piece.before_nano_usd
        self.after_nano_usd += piece.after_nano_usd


def recompute_costs(
    store: Store,
    journal: Journal,
    prices: PriceList,
    wanted: GenerationFilter,
    *,
    ids: Ids,
    dry_run: bool = False,
    actor: str | None = None,
    project: str = "default",
    clock: Clock = SYSTEM_CLOCK,
) -> Recomputed:
    """Price the generations that pass the filter anew, but for those whose cost the sender reported.

    A piece at a time: the rows, the totals of their runs and an `audit` event that says what changed are one transaction.
    Raises FilterInvalid.
    """
    made = Recomputed(dry_run=dry_run)
    after = 0
    asked = _asked(wanted)
    while True:
        with store.read() as connection:
            found = connection.execute(asked.where(generations.c.id > after).limit(BATCH_ROWS)).mappings().all()
        if not found:
            return made
        reached = found[-1]["id"]
        if dry_run:
            piece = Recomputed(dry_run=True)
            _changes([dict(row) for row in found], prices, piece)
        else:
            now = clock.now_ns()
            event = Event(
                event_id=ids.event_id(now), type="audit", created_at=now, project=project, name=OPERATION, actor=actor,
                source="flightlog",
            )  # fmt: skip
            low, high = after, reached
            piece = store.write(lambda tx: _piece(tx, journal, prices, asked, low, high, event))  # noqa: B023
        made.join(piece)
        after = reached


def _asked(wanted: GenerationFilter) -> Select[Any]:
    """Answered generations whose cost may be ours to say, in the order of their ids."""
    ours = or_(generations.c.cost_source.is_(None), generations.c.cost_source != "reported")
    answered = generations.c.answer_id.is_not(None)
    return select(generations).where(*conditions(wanted), ours, answered).order_by(generations.c.id)


def _piece(
    tx: Tx, journal: Journal, prices: PriceList, asked: Select[Any], after: int, until: int, event: Event
) -> Recomputed:
    # Read again: what was read outside the transaction may have changed.
    found = tx.sql.execute(asked.where(generations.c.id > after, generations.c.id <= until)).mappings()
    made = Recomputed(dry_run=False)
    rows = _changes([dict(row) for row in found], prices, made)
    if not rows:
        return made
    tx.sql.execute(
        _SET_COST, [{key: row[key] for key in ("key", "cost_nano_usd", "cost_source", "price_id")} for row in rows]
    )
    outdate(tx, [row["answer_id"] for row in rows])
    runs: dict[str, int] = {}
    for row in rows:
        if row["run_id"] is not None and not row["covered"]:
            runs[row["run_id"]] = runs.get(row["run_id"], 0) + row["change"]
    add_costs(tx, runs)
    details = {
        "changed": made.changed,
        "runs": len(runs),
        "before_usd": made.before_nano_usd / NANO,
        "after_usd": made.after_nano_usd / NANO,
        "models": made.models[:EXAMPLES_MAX],
        "generations": [row["generation_id"] for row in rows[:EXAMPLES_MAX]],
    }
    audit = {"operation": OPERATION, "subject_type": "generations", "outcome": "succeeded", "details": details}
    told = msgspec.structs.replace(event, payload=msgspec.Raw(msgspec.json.encode(audit)))
    journal.append_in(tx, [told])
    made.event_ids.append(event.event_id)
    return made


def _changes(rows: list[dict[str, Any]], prices: PriceList, told: Recomputed) -> list[dict[str, Any]]:
    """The rows whose cost is another by these prices, with `change` in billionths of a dollar."""
    made = []
    for row in rows:
        told.looked_at += 1
        cost, price_id = _cost(row, prices)
        if (cost, price_id) == (row["cost_nano_usd"], row["price_id"]):
            continue
        before, after = row["cost_nano_usd"] or 0, cost or 0
        told.add(row["model"] or "", before, after, price_id)
        source = None if cost is None else "priced"
        new = {"cost_nano_usd": cost, "cost_source": source, "price_id": price_id}
        made.append({**row, **new, "key": row["id"], "change": after - before})
    return made


def _cost(row: dict[str, Any], prices: PriceList) -> tuple[int | None, str | None]:
    if row["tokens_input"] is None and row["tokens_output"] is None:
        return None, None
    models = dict.fromkeys(model for model in (row["model"], row["request_model"]) if model)
    found = prices.find(models, row["provider"], row["ended_at"] or row["started_at"])
    if found is None:
        return None, None
    counted = ("tokens_input", "tokens_output", "tokens_cached_input", "tokens_cache_write")
    used = Tokens(*(min(row[name] or 0, INT64_MAX) for name in counted))
    return cost_of(found, used), found.price_id

"""The states of a run and its moves, as data. `docs/reference/store.md` has the same table in words."""

from __future__ import annotations

RUNNING = "running"
OUTCOMES: tuple[str, ...] = ("succeeded", "failed", "canceled")
STATUSES: tuple[str, ...] = (RUNNING, *OUTCOMES)

# The source of a task's own run, whose id is the task's. It may wait in a queue, or be at one long step, without a word: that it
# is not forgotten is looked after by the task platform, so silence says nothing about it.
TASKS_SOURCE = "tasks"

# What the latest run_finished may turn a status into. No other event moves a run, and nothing leads back to running: an
# event that is late, or comes from a clock that went backwards, must not reopen what has ended.
MAY_BECOME: dict[str, frozenset[str]] = {
    "running": frozenset({"succeeded", "failed", "canceled"}),
    "succeeded": frozenset({"failed", "canceled"}),
    "failed": frozenset({"succeeded", "canceled"}),
    "canceled": frozenset({"succeeded", "failed"}),
}


def outcome(status: str | None) -> str:
    """The outcome that a run_finished names; one that is missing or unknown asks for attention: failed."""
    return status if status in OUTCOMES else "failed"

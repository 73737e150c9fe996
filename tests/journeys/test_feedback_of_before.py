"""A store that has feedback from before there was a table for it: opening it is enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import text

from flightlog.config import Settings
from flightlog.runs.feedback import get_feedback, list_feedback
from flightlog.wiring import Keeper
from tests.contract.making import event


def test_opening_an_old_store_links_what_was_said_in_it(tmp_path: Path) -> None:
    call = event(1, "llm_response", payload={"model": "small"}, correlation_id="c1", name="small", status="ok")
    said = [
        event(2, "feedback", payload={"target_id": "r1-c1", "value": "up"}, run_id=None),
        event(3, "feedback", payload={"target_id": "r1-c1", "value": 0.25, "key": "k"}, run_id=None),
        event(4, "feedback", payload={"target_id": "r1-c1", "value": 0.75, "key": "k"}, run_id=None),
        event(5, "feedback", payload={"target_id": "never", "value": "up"}, run_id=None),
    ]
    keeper = Keeper(tmp_path / "flight", Settings(), writable=True)
    keeper.journal.append([said[0], call, *said[1:]])
    before = list_feedback(keeper.store).feedback
    keeper.store.write(_as_it_was_before)
    assert list_feedback(keeper.store).feedback == []
    keeper.close()

    keeper = Keeper(tmp_path / "flight", Settings(), writable=True)
    try:
        assert list_feedback(keeper.store).feedback == before
        assert [(one.status, one.value) for one in before] == [
            ("pending", "up"), ("linked", 0.75), ("linked", "up"),
        ]  # fmt: skip
        keeper.journal.append([event(6, "feedback", payload={"target_id": "r1", "value": "fine"}, run_id=None)])
        assert get_feedback(keeper.store, "e000006").status == "linked"
    finally:
        keeper.close()
    keeper = Keeper(tmp_path / "flight", Settings(), writable=True)
    assert len(list_feedback(keeper.store).feedback) == 4  # and once is enough
    keeper.close()


def _as_it_was_before(tx: Any) -> None:
    for table in ("feedback", "feedback_events", "generations"):
        tx.sql.execute(text(f"DELETE FROM {table}"))
    for name in ("feedback", "generations"):
        newest = "SELECT last_id FROM journal_head"
        behind = text(f"UPDATE projections SET position = 0, until_id = ({newest}) WHERE name = :name")
        tx.sql.execute(behind, {"name": name})

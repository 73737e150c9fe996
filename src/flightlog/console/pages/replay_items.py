"""What becomes of the letters of a replay, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from flightlog.console import format as fmt
from flightlog.console.pages.letters_rows import letter_href
from flightlog.console.pages.tasks_rows import mark_of, task_href
from flightlog.deadletters.plan import ALREADY_SUCCEEDED, REPLAYED
from flightlog.deadletters.progress import Item

_MARKS = {REPLAYED: "passed", ALREADY_SUCCEEDED: "succeeded"}


@dataclass(frozen=True, kw_only=True)
class ReplayItem:
    """One letter of a replay."""

    place: Annotated[str, "Its place, from 1."]
    letter_id: Annotated[str, "Its id."]
    short_id: Annotated[str, "The same, shortened."]
    href: Annotated[str, "Its page; of a letter that was deleted, its task."]
    outcome: Annotated[str, "What became of it, or would."]
    outcome_mark: Annotated[str, "The sign of that: passed, succeeded, failed, or empty where it waits for its turn."]
    stage: Annotated[str, "When it was its turn; may be empty."]
    said: Annotated[str, "What is to be said of it; may be empty."]
    task_href: Annotated[str, "Its task."]
    ended: Annotated[str, "How the task ended since; may be empty."]
    ended_mark: Annotated[str, "The sign of that."]


def item_of(item: Item, *, is_applied: bool, deletes: bool = False) -> ReplayItem:
    """One letter of a replay that was applied, or is planned only; `deletes` is whether those that are replayed go."""
    waits = item.outcome is None
    outcome = item.outcome or ("waits for its turn" if is_applied else item.expected)
    under_way = item.outcome == REPLAYED and item.ended is None and item.event_id is None
    return ReplayItem(
        place=fmt.count(item.letter_no),
        letter_id=item.letter_id,
        short_id=fmt.short_id(item.letter_id),
        href=task_href(item.task_id) if deletes and item.outcome == REPLAYED else letter_href(item.letter_id),
        outcome=words_of(outcome),
        outcome_mark="" if waits and is_applied else outcome_mark(outcome),
        stage=words_of(item.stage or ""),
        said=item.detail or "",
        task_href=task_href(item.task_id),
        ended=item.ended or ("under way" if under_way else ""),
        ended_mark=mark_of(item.ended) if item.ended else "running",
    )


def outcome_mark(outcome: str) -> str:
    """The sign of an outcome: a letter that is not replayed is left where it is."""
    return _MARKS.get(outcome, "failed")


def words_of(name: str) -> str:
    """A name of a program's in words.

    >>> words_of("already_succeeded"), words_of("CANARY_1")
    ('already succeeded', 'canary 1')
    """
    return name.replace("_", " ").lower()

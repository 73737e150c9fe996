"""Dead letters as rows: single ones, and those that failed of the same thing together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.blocks import line_of
from flightlog.console.page import Fragment, href
from flightlog.console.pages.tasks_rows import error_line
from flightlog.deadletters.listing import BUCKETS, Letter
from flightlog.deadletters.listing import LetterGroup as Listed

BAR_PITCH, SPARK_HEIGHT = 120 // BUCKETS, 20


@dataclass(frozen=True, kw_only=True)
class LetterRow:
    """One dead letter in the list."""

    letter_id: Annotated[str, "Its id; the row is found by it when news arrive."]
    href: Annotated[str, "Its page."]
    status: Annotated[str, "open, replayed or resolved."]
    message: Annotated[str, "What it failed of, in one line."]
    place: Annotated[str, "Its pipeline and state; of a message, what it was to tell."]
    user: Annotated[str, "Whose task it is; may be empty."]
    attempts: Annotated[str, "How often it was tried."]
    replays: Annotated[str, "How often it was replayed before."]
    failed: Annotated[fmt.Moment, "When it failed for good."]


@dataclass(frozen=True, kw_only=True)
class LetterRows(Fragment):
    """A stretch of the list: what a script puts under the rows that are there."""

    template: ClassVar[str] = "_letters_rows.html"

    rows: Annotated[list[LetterRow], "The letters."]
    more: Annotated[str | None, "The rows that follow, if any do."]


@dataclass(frozen=True, kw_only=True)
class SparkBar:
    """How many letters there were in a stretch of time."""

    x: Annotated[int, "Where the bar stands."]
    y: Annotated[int, "Where it begins, from above."]
    height: Annotated[int, "How high it is."]


@dataclass(frozen=True, kw_only=True)
class LetterGroup:
    """Dead letters that failed of the same thing."""

    fingerprint: Annotated[str, "What they have in common."]
    href: Annotated[str, "The list of them."]
    message: Annotated[str, "What the last of them failed of, in one line."]
    place: Annotated[str, "Its pipeline and state."]
    count: Annotated[str, "How many they are."]
    spark: Annotated[list[SparkBar], "How many they were over time."]
    spark_words: Annotated[str, "The same in words."]
    first_at: Annotated[fmt.Moment, "When the first was."]
    last_at: Annotated[fmt.Moment, "When the last was."]


def letter_row(letter: Letter, now_ns: int) -> LetterRow:
    """One letter, seen at `now_ns`."""
    return LetterRow(
        letter_id=letter.letter_id,
        href=letter_href(letter.letter_id),
        status=letter.status.lower(),
        message=error_line({"kind": letter.kind, "message": letter.message}),
        place=place_of(letter),
        user=letter.user_id or "",
        attempts=fmt.count(letter.attempts),
        replays=fmt.count(letter.replays),
        failed=fmt.moment(letter.failed_at, now_ns),
    )


def group_row(group: Listed, link: str, now_ns: int) -> LetterGroup:
    """Some letters with one fingerprint, and the list of them."""
    rest = fmt.counted(group.count - group.open, "is", "are")
    settled = f", {rest} replayed or resolved" if group.open < group.count else ""
    return LetterGroup(
        fingerprint=group.fingerprint,
        href=link,
        message=error_line({"kind": group.example.kind, "message": group.example.message}),
        place=place_of(group.example),
        count=fmt.count(group.count),
        spark=spark_of(group.times),
        spark_words=f"{fmt.counted(group.count, 'letter', 'letters')}{settled}; at most {max(group.times)} in one bar",
        first_at=fmt.moment(group.first_at, now_ns),
        last_at=fmt.moment(group.last_at, now_ns),
    )


def letter_href(letter_id: str) -> str:
    """The page of a dead letter."""
    return href(f"/deadletters/{letter_id}")


def place_of(letter: Letter) -> str:
    """Where it failed.

    >>> from types import SimpleNamespace as Some
    >>> place_of(Some(pipeline="summarise", state="READING", topic=None))
    'summarise · READING'
    >>> place_of(Some(pipeline=None, state=None, topic="task.created"))
    'message task.created'
    """
    if letter.topic:
        return " · ".join(filter(None, (letter.pipeline, f"message {letter.topic}")))
    return line_of(" · ".join(filter(None, (letter.pipeline, letter.state))))


def spark_of(counts: Sequence[int]) -> list[SparkBar]:
    """Bars for counts over time; what is there at all is seen.

    >>> [(bar.x, bar.y, bar.height) for bar in spark_of([0, 1, 10])]
    [(5, 18, 2), (10, 0, 20)]
    """
    most = max(counts, default=0)
    heights = [max(2, SPARK_HEIGHT * count // most) if count else 0 for count in counts]
    return [
        SparkBar(x=BAR_PITCH * at, y=SPARK_HEIGHT - height, height=height)
        for at, height in enumerate(heights)
        if height
    ]

"""One dead letter: what failed, of what, and what was done about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.blocks import Block, Limits
from flightlog.console.failure import failure_blocks
from flightlog.console.page import Page, href
from flightlog.console.pages.deadletters import plan_filter, plan_words
from flightlog.console.pages.letters_rows import letter_href, place_of
from flightlog.console.pages.panel import Fact
from flightlog.console.pages.replay_items import words_of
from flightlog.console.pages.tasks_rows import error_line, task_href
from flightlog.deadletters.filter import LetterFilter
from flightlog.deadletters.letters import OPEN, OUTBOX, REPLAYED
from flightlog.deadletters.listing import Letter, Turn, get_letter
from flightlog.errors import TaskNotFound
from flightlog.journal.read import head_id
from flightlog.services import Services
from flightlog.tasks.task import Task, read_task
from flightlog.version import __version__

PARAMETERS = frozenset[str]()
LIMITS = Limits(lines_open=40)


@dataclass(frozen=True, kw_only=True)
class ChainLetter:
    """A letter of the same task, or the same message."""

    href: Annotated[str, "Its page."]
    status: Annotated[str, "open, replayed or resolved."]
    message: Annotated[str, "What it failed of, in one line."]
    failed: Annotated[fmt.Moment, "When it failed for good."]
    is_here: Annotated[bool, "Whether it is the one that is shown."]


@dataclass(frozen=True, kw_only=True)
class DeadLetterPage(Page):
    """One dead letter."""

    template: ClassVar[str] = "deadletter.html"

    letter_id: Annotated[str, "Its id."]
    kind: Annotated[str, "What kind of error it failed of."]
    status: Annotated[str, "open, replayed or resolved."]
    sentence: Annotated[str, "What that means, in one sentence."]
    failed: Annotated[fmt.Moment, "When it failed for good."]
    failure: Annotated[list[Block], "What it failed of."]
    facts: Annotated[list[Fact], "What else is known of it."]
    chain: Annotated[list[ChainLetter], "The letters of the same task or message, oldest first."]
    task_href: Annotated[str, "Its task; empty where that is not known."]
    alike_href: Annotated[str, "Those that failed of the same thing."]
    json_href: Annotated[str, "The letter as JSON."]
    can_plan: Annotated[bool, "Whether its replay may be planned."]
    plan_filter: Annotated[str, "This letter, as a plan asks for it: JSON."]
    plan_words: Annotated[str, "The same in words."]


def deadletter_page(services: Services, letter_id: str) -> DeadLetterPage:
    """The page of a letter. Raises LetterNotFound."""
    found = get_letter(services.store, letter_id)
    letter, now = found.letter, services.clock.now_ns()
    with services.store.read() as connection:
        position = head_id(connection)
        try:
            task: Task | None = read_task(connection, letter.task_id)
        except TaskNotFound:
            task = None
    alone = LetterFilter(letter_id=letter_id)
    return DeadLetterPage(
        title=f"{letter.kind} {fmt.short_id(letter_id)}",
        place="deadletters",
        scope="letters",
        action="/deadletters",
        live=href("/api/events/stream", {"afterId": str(position), "task": letter.task_id, "payloads": "false"}),
        version=__version__,
        letter_id=letter_id,
        kind=letter.kind,
        status=letter.status.lower(),
        sentence=_sentence(letter, now),
        failed=fmt.moment(letter.failed_at, now),
        failure=failure_blocks(_error(letter, task), LIMITS),
        facts=_facts(letter, found.turns, now),
        chain=[
            ChainLetter(
                href=letter_href(one.letter_id),
                status=one.status.lower(),
                message=error_line({"kind": one.kind, "message": one.message}),
                failed=fmt.moment(one.failed_at, now),
                is_here=one.letter_id == letter_id,
            )
            for one in found.chain
        ],
        task_href=task_href(letter.task_id) if task is not None else "",
        alike_href=href("/deadletters", {"view": "letters", "fingerprint": letter.fingerprint, "status": "all"}),
        json_href=href(f"/v1/deadletters/{letter_id}"),
        can_plan=services.platform is not None and letter.status == OPEN,
        plan_filter=plan_filter(alone),
        plan_words=plan_words(alone),
    )


def _error(letter: Letter, task: Task | None) -> dict[str, object]:
    """The error; with where it came from, as long as the task has that."""
    said: dict[str, object] = {"kind": letter.kind, "message": letter.message}
    if task is not None and task.error and task.round_no == letter.round_no and letter.source != OUTBOX:
        return {**task.error, **said}
    return said


def _sentence(letter: Letter, now_ns: int) -> str:
    what = {
        "error": f"Failed in each of its attempts, {fmt.count(letter.attempts)} in all.",
        "unrecoverable": "Its code said that trying again can't help.",
        "poison": f"{fmt.counted(letter.deaths, 'worker', 'workers')} died over it.",
        "deadline": "Its deadline passed.",
        "undelivered": f"Nobody took this message in {fmt.counted(letter.attempts, 'attempt', 'attempts')}.",
    }.get(letter.cause, letter.cause)
    if letter.status == OPEN:
        return f"{what} Nothing was done about it yet."
    when = fmt.ago(letter.changed_at, now_ns)
    return f"{what} It was {'done again' if letter.status == REPLAYED else 'settled: what it is of succeeded,'} {when}."


def _facts(letter: Letter, turns: list[Turn], now_ns: int) -> list[Fact]:
    rows: list[tuple[str, str | None, str | None, bool]] = [
        ("Task", letter.task_id, task_href(letter.task_id), True),
        ("Message", letter.event_id, None, True),
        ("Where", place_of(letter), None, False),
        ("Queue", letter.queue, href("/tasks", {"queue": letter.queue}), False),
        ("User", letter.user_id, href("/deadletters", {"user": letter.user_id}), False),
        ("Project", letter.project, None, False),
        ("Cause", letter.cause, None, False),
        ("Attempts", fmt.count(letter.attempts), None, False),
        ("Workers that died", fmt.count(letter.deaths) if letter.deaths else None, None, False),
        ("Last worker", letter.worker_id, None, True),
        ("Round", fmt.count(letter.round_no), None, False),
        ("Replayed before", fmt.count(letter.replays) if letter.replays else None, None, False),
        ("Input", letter.input_digest, None, True),
        ("Fingerprint", letter.fingerprint, None, True),
        ("Failed", fmt.in_full(letter.failed_at), None, False),
        *(("Replay", _turn(turn), href(f"/deadletters/plans/{turn.plan_id}"), False) for turn in turns),
    ]
    return [Fact(word=word, value=value, href=link, mono=mono) for word, value, link, mono in rows if value]


def _turn(turn: Turn) -> str:
    said = words_of(turn.outcome) if turn.outcome else "planned"
    return f"{said}, {turn.ended.lower()} since" if turn.ended else said

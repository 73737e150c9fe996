"""A run to be read: the conversation, the work and its results as cards, in the order in which they began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.blocks import Block, Limits, group_block, line_block, line_of
from flightlog.console.cards import tell
from flightlog.console.conversation import Conversation, News
from flightlog.console.failure import failure_blocks
from flightlog.console.kinds import kind_of
from flightlog.console.messages import answer_blocks, input_blocks, message_block, response_notes, said, turn_of
from flightlog.console.page import Fragment, href
from flightlog.console.payload import decoded, entries, words
from flightlog.console.transcript import STEPS_SHOWN, Step, before, is_span, page_before, window_of
from flightlog.events.envelope import FLAG_ERASED, FLAG_WITHHELD, StoredEvent
from flightlog.filters.params import parse_id, parse_limit
from flightlog.runs.status import RUNNING
from flightlog.runs.summary import RunSummary, get_run
from flightlog.services import Services

PARAMETERS = frozenset({"afterId", "limit"})
STEPS_MAX = 100
CARD_LIMITS = Limits(compact=True)
EARLIER_SHOWN = 30
REMEMBERED = 4

# What a step is called by the type that it begins with; others by their type.
WORDS = {
    "run_started": "Run started", "run_finished": "Run finished", "span_started": "Part", "span_finished": "Part ended",
    "llm_request": "Model", "llm_response": "Model", "tool_call": "Tool", "tool_result": "Tool",
    "exec_started": "Command", "exec_result": "Command", "patch_proposed": "Patch", "patch_applied": "Patch",
    "test_started": "Tests", "test_result": "Tests", "capability_decision": "Permission", "error": "Error",
    "note": "Note", "degraded": "Gap", "task_transition": "Task", "audit": "Audit", "feedback": "Feedback", "log": "Log",
    "ledger_entry": "Usage",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CardEvent:
    """One event of a step."""

    id: Annotated[int, "Its place in commit order."]
    type: Annotated[str, "Its type."]
    href: Annotated[str, "Its own page."]


@dataclass(frozen=True, kw_only=True)
class Card:
    """One step."""

    id: Annotated[int, "The place of its first event in commit order."]
    kind: Annotated[str, "Its kind: the class of its colour."]
    word: Annotated[str, "What kind of step it is."]
    name: Annotated[str, "Its name; may be empty."]
    status: Annotated[str, "How it ended; empty while it goes on."]
    alarm: Annotated[str, "warn or error where the level says so; else empty."]
    offset: Annotated[str, "When it began, from the start of the run."]
    exact: Annotated[str, "When it began."]
    took: Annotated[str, "How long it took; may be empty."]
    notes: Annotated[list[str], "A few words each: tokens, cost, exit code, counts."]
    blocks: Annotated[list[Block], "What it holds."]
    events: Annotated[list[CardEvent], "Its events."]
    pending: Annotated[bool, "Whether its answer has not come yet."]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A stretch of a run, to be read."""

    cards: Annotated[list[Card], "The steps that begin in it."]
    running: Annotated[bool, "Whether more may happen."]
    at_end: Annotated[bool, "Whether there is nothing after it so far."]
    earlier: Annotated[str | None, "The stretch before, if there is one."]
    later: Annotated[str | None, "The stretch after, if there is one."]
    more_href: Annotated[str, "Where a script asks for what follows."]
    card_href: Annotated[str, "Where a script asks for one card anew; the id of the card less one belongs at its end."]


@dataclass(frozen=True, kw_only=True)
class ReadingFragment(Fragment):
    """A stretch of a run by itself."""

    template: ClassVar[str] = "reading.html"

    reading: Annotated[Reading, "The stretch."]


def reading_fragment(services: Services, run_id: str, params: Mapping[str, str]) -> ReadingFragment:
    """What a script asks for. Raises RunNotFound, CursorInvalid, LimitInvalid."""
    run = get_run(services.store, run_id, clock=services.clock, settings=services.settings)
    return ReadingFragment(reading=reading_of(services, run, params))


def reading_of(services: Services, run: RunSummary, params: Mapping[str, str]) -> Reading:
    """The stretch of the run after the event `afterId`, of `limit` steps. Raises CursorInvalid, LimitInvalid."""
    after = parse_id(params.get("afterId") or None) or 0
    limit = parse_limit(params.get("limit") or None, STEPS_MAX)
    window = window_of(services, run.run_id, after, limit or STEPS_SHOWN)
    talk = _remembered(services, run.run_id, after)
    path, fragment = f"/runs/{run.run_id}", f"/runs/{run.run_id}/reading"
    earlier = page_before(services, run.run_id, after)
    return Reading(
        cards=[_card(step, run, talk) for step in window.steps],
        running=run.status == RUNNING,
        at_end=window.at_end,
        earlier=href(path, {"view": "reading", "afterId": str(earlier) if earlier else ""})
        if earlier is not None
        else None,
        later=None if window.at_end else href(path, {"view": "reading", "afterId": str(window.last_id)}),
        more_href=href(fragment, {"afterId": str(window.last_id)}),
        card_href=href(fragment, {"limit": "1"}) + "&afterId=",
    )


def _remembered(services: Services, run_id: str, after: int) -> Conversation:
    """What was said before this stretch, as far as its first requests may repeat it."""
    talk = Conversation()
    if after:
        for type_ in ("llm_request", "llm_response", "tool_result"):
            for event in before(services, run_id, type_, after, REMEMBERED):
                _hear(talk, event)
    return talk


def _hear(talk: Conversation, event: StoredEvent) -> None:
    payload = decoded(bytes(event.payload))
    if event.type == "tool_result":
        talk.hear_result(payload)
        return
    asked = payload if event.type == "llm_request" else entries(payload.get("request"))
    if asked:
        talk.news(asked)
    if event.type == "llm_response":
        talk.hear_answer(payload)


# ── cards ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _card(step: Step, run: RunSummary, talk: Conversation) -> Card:
    first, last = step.first, step.last
    notes, blocks = _told(step, talk)
    kind = kind_of(first.type)
    return Card(
        id=first.id,
        kind=kind.key,
        word=_word(first),
        name=first.name or last.name or "",
        status=last.status or "",
        alarm=first.level
        if first.level in ("warn", "error") and not last.status and kind.key not in ("err", "lost")
        else "",
        offset=fmt.offset(step.began_at, run.started_at),
        exact=fmt.in_full(step.began_at),
        took=fmt.duration(last.duration_ns) if last.duration_ns is not None else "",
        notes=[line_of(note) for note in notes if note],
        blocks=blocks,
        events=[
            CardEvent(id=event.id, type=event.type, href=href(f"/events/{event.event_id}")) for event in step.events
        ],
        pending=step.waits,
    )


def _word(event: StoredEvent) -> str:
    return "Part" if event.type == "span_finished" and is_span(event) else WORDS.get(event.type, event.type)


def _told(step: Step, talk: Conversation) -> tuple[list[str], list[Block]]:
    notes: list[str] = []
    blocks: list[Block] = []
    for event in step.events:
        told = _of_model(event, talk) or tell(event, CARD_LIMITS)
        if event.type == "tool_result":
            talk.hear_result(decoded(bytes(event.payload)))
        notes += [note for note in told[0] if note not in notes and note != event.status]
        for block in told[1]:
            _add(blocks, block)
    return notes, blocks


def _add(blocks: list[Block], block: Block) -> None:
    """Put a block under the others. An answer often repeats what was asked: the command, the patch, the resource."""
    if block in blocks:
        return
    last = blocks[-1] if blocks else None
    if last is not None and block.form == last.form == "pairs" and block.label == last.label == "":
        blocks[-1] = replace(last, pairs=[*last.pairs, *(pair for pair in block.pairs if pair not in last.pairs)])
    else:
        blocks.append(block)


def _of_model(event: StoredEvent, talk: Conversation) -> tuple[list[str], list[Block]] | None:
    """A request with only what is new in it, or what the model said; None for all other events."""
    if event.type not in ("llm_request", "llm_response") or event.flags & (FLAG_WITHHELD | FLAG_ERASED):
        return None
    payload = decoded(bytes(event.payload))
    if event.type == "llm_request":
        return [], _asked(payload, talk)
    # A finished span says what was asked as well.
    request = entries(payload.get("request"))
    asked = _asked(request, talk) if request else []
    talk.hear_answer(payload)
    answer = [*answer_blocks(payload, CARD_LIMITS), *failure_blocks(payload.get("error"), CARD_LIMITS)]
    return response_notes(payload), [*asked, *turn_of(answer)]


def _asked(payload: dict[str, object], talk: Conversation) -> list[Block]:
    return [*_request_blocks(talk.news(payload)), *input_blocks(payload, CARD_LIMITS)]


def _request_blocks(news: News) -> list[Block]:
    skipped = max(len(news.fresh) - EARLIER_SHOWN, 0)
    blocks = []
    if news.dropped:
        blocks.append(line_block(f"{news.dropped} messages of before are not in this request any more", tone="gap"))
    earlier = [*news.earlier, *news.fresh[:skipped]]
    if earlier:
        blocks.append(_earlier(earlier))
    for message, echo in zip(news.fresh[skipped:], news.echoes[skipped:], strict=True):
        if not (echo and entries(message).get("role") == "assistant"):  # the answer that is told above
            blocks.append(message_block(message, CARD_LIMITS, folded=echo))
    return blocks


def _earlier(messages: list[object]) -> Block:
    """Messages that were told before, one line each."""
    lines = [
        line_block(said(entries(message)) or "calls", label=words(entries(message).get("role")))
        for message in messages[-EARLIER_SHOWN:]
    ]
    word = "1 earlier message" if len(messages) == 1 else f"{fmt.count(len(messages))} earlier messages"
    return group_block(lines, label=word, tone="earlier", folded=True)

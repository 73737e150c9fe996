"""One model call: what was asked and answered, what its tools gave, what it cost, and what people think of it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec.structs import asdict

from flightlog.console import format as fmt
from flightlog.console.blocks import Block, Limits, code_block, group_block, line_of
from flightlog.console.failure import failure_blocks
from flightlog.console.messages import answer_blocks, input_blocks, message_block, said, settings_blocks, turn_of
from flightlog.console.page import Page, href
from flightlog.console.pages.given import Given, given_on
from flightlog.console.pages.run import Tile
from flightlog.console.pages.traces_rows import cost_from, time_of, trace_href
from flightlog.console.payload import Piece, decoded, entries, listed, pretty, words
from flightlog.console.recorded import more_blocks
from flightlog.console.strip import StripRow, strip_of
from flightlog.events.envelope import StoredEvent
from flightlog.filters.language import quote
from flightlog.ingest.otlp.remap import as_understood
from flightlog.ingest.otlp.sources import told_in_full
from flightlog.runs.generation_content import Content, ToolAnswer, read_content
from flightlog.runs.generation_filter import GenerationFilter
from flightlog.runs.generations import Generation, get_generation, list_generations
from flightlog.services import Services
from flightlog.version import __version__

LIMITS = Limits(lines_open=40, chars_max=48 * 1024)
MESSAGES_OPEN = 12  # of a long conversation the last are open
NEIGHBOURS_READ = 50


@dataclass(frozen=True, kw_only=True)
class TraceLink:
    """Something that belongs to the call."""

    word: Annotated[str, "What it is."]
    text: Annotated[str, "What it is called."]
    href: Annotated[str, "Where it is."]


@dataclass(frozen=True, kw_only=True)
class ToolTurn:
    """What a tool gave to a call that the model asked for."""

    name: Annotated[str, "The tool."]
    status: Annotated[str, "How it ended; may be empty."]
    took: Annotated[str, "How long it took; may be empty."]
    href: Annotated[str, "The event that says so."]
    blocks: Annotated[list[Block], "What it gave."]


@dataclass(frozen=True, kw_only=True)
class TracePage(Page):
    """One model call."""

    template: ClassVar[str] = "trace.html"

    generation_id: Annotated[str, "Its id."]
    name: Annotated[str, "The model."]
    status: Annotated[str, "running, ok or error."]
    provider: Annotated[str, "Who served it; may be empty."]
    started: Annotated[fmt.Moment, "When it began."]
    tiles: Annotated[list[Tile], "What it comes to."]
    links: Annotated[list[TraceLink], "What it belongs to."]
    before: Annotated[TraceLink | None, "The model call before it in the run."]
    after: Annotated[TraceLink | None, "The one after."]
    strip: Annotated[list[StripRow], "The work around it; may be empty."]
    asked: Annotated[list[Block], "What the model was asked."]
    answered: Annotated[list[Block], "What it answered, or what went wrong."]
    tools: Annotated[list[ToolTurn], "What the tools gave that it asked for."]
    settings: Annotated[list[Block], "Parameters, tools and what no convention has a place for."]
    from_logs: Annotated[bool, "Whether the content came from log records."]
    payload: Annotated[list[Piece], "The event as indented text, in pieces."]
    given: Annotated[list[Given], "What people think of it."]
    target: Annotated[str, "What feedback on it names."]
    permalink: Annotated[str, "This page."]
    json_href: Annotated[str, "The same as JSON."]
    curl: Annotated[str, "A command that gets the same."]


def _more(services: Services, event: StoredEvent | None) -> list[Block]:
    return [] if event is None else more_blocks(decoded(bytes(told_in_full(services.store, event).payload)), LIMITS)


def trace_page(services: Services, generation_id: str, base_url: str = "") -> TracePage:
    """The page of this generation. Raises GenerationNotFound."""
    one = get_generation(services.store, generation_id)
    content = read_content(services.store, one, as_understood(services.store))
    now = services.clock.now_ns()
    before, after = _neighbours(services, one)
    json_href = href(f"/api/generations/{generation_id}")
    payload = bytes(content.event.payload) if content.event is not None else b"{}"
    live = href(f"/api/runs/{one.run_id}/stream", {"afterId": str(one.id), "payloads": "false"}) if one.run_id else None
    return TracePage(
        title=f"{one.model or 'model call'} {fmt.short_id(generation_id)}",
        place="traces",
        scope="generations",
        action="/traces",
        version=__version__,
        live=live if one.status == "running" else None,
        generation_id=generation_id,
        name=one.model or "model call",
        status=one.status,
        provider=one.provider or "",
        started=fmt.moment(one.started_at, now),
        tiles=_tiles(one, now),
        links=_links(one),
        before=before,
        after=after,
        strip=strip_of(services, one.run_id, _place(one)) if one.run_id else [],
        asked=_asked(content.request or {}),
        answered=_answered(content),
        tools=[_tool(answer) for answer in content.tool_answers],
        settings=[*settings_blocks(content.request or {}, LIMITS), *_more(services, content.event)],
        from_logs=content.from_logs,
        payload=pretty(payload),
        given=given_on(services, one.generation_id),
        target=one.generation_id,
        permalink=trace_href(generation_id),
        json_href=json_href,
        curl=f"curl -s {shlex.quote(base_url + json_href)}",
    )


def _place(one: Generation) -> int:
    return one.answer_id or one.request_id or one.id


# ── the head ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _tiles(one: Generation, now_ns: int) -> list[Tile]:
    into, out = one.tokens_input, one.tokens_output
    parts = (
        (one.tokens_cached_input, "cached"), (one.tokens_cache_write, "written to the cache"),
        (one.tokens_reasoning, "of reasoning"),
    )  # fmt: skip
    said = ", ".join(f"{fmt.count(number)} {word}" for number, word in parts if number)
    counts = "in no total: a call within it tells the same" if one.covered else cost_from(one)
    asked = f"asked for {one.request_model}" if one.request_model and one.request_model != one.model else ""
    return [
        Tile(word="Model", value=one.model or fmt.NOTHING, more=asked),
        Tile(word="Time", value=time_of(one, now_ns)),
        Tile(
            word="First chunk", value=fmt.duration(one.time_to_first_chunk_ns), more="streamed" if one.streamed else ""
        ),
        Tile(
            word="Tokens in / out",
            value=fmt.NOTHING if into is None and out is None else f"{fmt.count(into or 0)} / {fmt.count(out or 0)}",
            more=said,
        ),
        Tile(word="Cost", value=fmt.NOTHING if one.cost_usd is None else fmt.money(one.cost_usd), more=counts),
        Tile(
            word="Finish",
            value=one.error_kind or one.finish_reason or fmt.NOTHING,
            more=one.operation or "",
            bad=one.error_kind is not None,
        ),
    ]


def _links(one: Generation) -> list[TraceLink]:
    run = href(f"/runs/{one.run_id}", {"id": str(_place(one))}) if one.run_id else ""
    told = (
        ("Run", one.run_id, run),
        ("Trace", one.trace_id if one.trace_id != one.run_id else None, _search("trace", one.trace_id)),
        ("Task", one.task_id, _search("task", one.task_id)),
        ("Event", one.event_id, href(f"/events/{one.event_id}")),
        ("Request", one.request_event_id if one.request_event_id != one.event_id else None, _event(one)),
        ("Actor", one.actor, _search("actor", one.actor)),
        ("Source", one.source, _search("source", one.source)),
    )
    return [TraceLink(word=word, text=fmt.short_id(text), href=where) for word, text, where in told if text and where]


def _event(one: Generation) -> str:
    return href(f"/events/{one.request_event_id}")


def _search(name: str, value: str | None) -> str:
    return href("/traces", {"q": f"{name}:{quote(value or '')}"})


def _neighbours(services: Services, one: Generation) -> tuple[TraceLink | None, TraceLink | None]:
    """The model calls of the run that began right before and right after this one."""
    if one.run_id is None:
        return None, None
    here = (one.started_at, one.id)
    until = GenerationFilter(run_id=one.run_id, until=one.started_at + 1)
    since = GenerationFilter(run_id=one.run_id, since=one.started_at)
    earlier = list_generations(services.store, until, sort="-started", limit=NEIGHBOURS_READ).generations
    later = list_generations(services.store, since, sort="started", limit=NEIGHBOURS_READ).generations
    return (
        _neighbour("Previous", next((each for each in earlier if (each.started_at, each.id) < here), None)),
        _neighbour("Next", next((each for each in later if (each.started_at, each.id) > here), None)),
    )


def _neighbour(word: str, one: Generation | None) -> TraceLink | None:
    if one is None:
        return None
    return TraceLink(word=word, text=one.output_preview or one.model or "", href=trace_href(one.generation_id))


# ── what was said ────────────────────────────────────────────────────────────────────────────────────────────────────


def _asked(request: dict[str, object]) -> list[Block]:
    """The conversation. Of a long one the beginning is closed: it was told by the calls before."""
    told = _named(listed(request.get("messages")))
    split = len(told) - MESSAGES_OPEN if len(told) > MESSAGES_OPEN else 0
    earlier = [message_block(message, LIMITS, folded=True) for message in told[:split]]
    blocks = [message_block(message, LIMITS) for message in told[split:]]
    if earlier:
        teaser = line_of(said(entries(told[split - 1])))
        label = f"{fmt.count(split)} earlier messages"
        blocks.insert(0, group_block(earlier, label=label, tone="earlier", folded=True, teaser=teaser))
    return [*blocks, *input_blocks(dict(request), LIMITS)]


def _named(messages: list[object]) -> list[object]:
    """The messages; where one answers a call, with the name of the tool, which only the call says."""
    names: dict[str, str] = {}
    made: list[object] = []
    for message in messages:
        given = entries(message)
        for call in map(entries, listed(given.get("tool_calls"))):
            names[words(call.get("id"))] = words(call.get("name") or entries(call.get("function")).get("name"))
        name = names.get(words(given.get("tool_call_id")))
        made.append({**given, "name": name} if name and not given.get("name") else message)
    return made


def _answered(content: Content) -> list[Block]:
    told = {"message": content.message, "choices": content.choices}
    return turn_of([*answer_blocks(told, LIMITS), *failure_blocks(content.error, LIMITS)])


def _tool(answer: ToolAnswer) -> ToolTurn:
    given = asdict(answer)
    blocks = failure_blocks(given["error"], LIMITS)
    if given["result"] not in (None, ""):
        blocks.append(code_block(given["result"], LIMITS))
    return ToolTurn(
        name=answer.name or "tool",
        status=answer.status or "",
        took=fmt.duration(answer.duration_ns) if answer.duration_ns is not None else "",
        href=href(f"/events/{answer.event_id}"),
        blocks=blocks,
    )

"""What OpenTelemetry's spans, log records, metrics and resources say, for reading; and spans of a recorder."""

from __future__ import annotations

from typing import Any

from flightlog.console import format as fmt
from flightlog.console import messages
from flightlog.console.blocks import (
    PAIRS_MAX,
    Block,
    Limits,
    code_block,
    group_block,
    line_of,
    pair,
    pairs_block,
    text_block,
)
from flightlog.console.failure import Told, failure_blocks
from flightlog.console.payload import entries, listed, words
from flightlog.console.summary import metric_value, unit_of

Doc = dict[str, Any]


def _present(*blocks: Block | None) -> list[Block]:
    return [block for block in blocks if block is not None]


def span(payload: Doc, limits: Limits) -> Told:
    """A part of a run: what it was given, what came out, what it found."""
    if "otlp" not in payload:
        attributes = pairs_block(payload.get("attributes"), limits)
        return Told([], [*_present(attributes), *failure_blocks(payload.get("error"), limits)])
    found = [entries(one) for one in listed(payload.get("documents"))]
    notes = [words(payload["operation"]).replace("_", " ")] if payload.get("operation") else []
    blocks = [
        *_said("Input", payload.get("input"), limits),
        *_said("Output", payload.get("output"), limits),
        *([_documents(found, limits)] if found else []),
        *failure_blocks(payload.get("error"), limits),
        *more_blocks(payload, limits),
    ]
    return Told(notes + ([fmt.counted(len(found), "document", "documents")] if found else []), blocks)


def _said(label: str, value: object, limits: Limits) -> list[Block]:
    """What a span was given or gave: a conversation as one, a text as a text, anything else as it is. Among other cards it
    is closed, because what happened inside tells the same."""
    if value in (None, "", [], {}):
        return []
    told = listed(value)
    if told and all("role" in entries(one) for one in told):
        inside = messages.asked_blocks({"messages": told}, limits)
    else:
        inside = [text_block(value, limits) if isinstance(value, str) else code_block(value, limits)]
    teaser = words(entries(told[-1]).get("content")) if told else ""
    teaser = teaser or words(value)
    return [group_block(inside, label=label, folded=limits.compact, teaser=line_of(teaser) if limits.compact else "")]


def _documents(found: list[Doc], limits: Limits) -> Block:
    shown = [
        pair(
            " ".join(part for part in (words(one.get("id"))[:60] or f"#{place}", _score(one.get("score"))) if part),
            words(one.get("content", one.get("text", one))),
            limits,
        )
        for place, one in enumerate(found[:PAIRS_MAX], 1)
    ]
    more = len(found) - len(shown)
    return Block(form="pairs", label="Found", pairs=shown, left_out=f"{fmt.count(more)} more" if more > 0 else "")


def _score(score: object) -> str:
    return f"{score:.3g}" if isinstance(score, int | float) and not isinstance(score, bool) else words(score)


def more_blocks(payload: Doc, limits: Limits) -> list[Block]:
    """What no convention has a place for, and where a span came from, closed; nothing among other cards."""
    if limits.compact:
        return []
    made = []
    for name, label in (("attributes", "Attributes"), ("otlp", "OpenTelemetry")):
        given = entries(payload.get(name))
        block = pairs_block(given, limits)
        if block is not None:
            teaser = line_of(", ".join(map(words, given)))
            made.append(group_block([block], label=label, folded=True, teaser=teaser))
    return made


def log(payload: Doc, limits: Limits) -> Told:
    """A log record; where it holds what a model was asked or answered, that as a conversation."""
    body = payload.get("body")
    blocks = _present(text_block(body, limits) if isinstance(body, str) and body else pairs_block(body, limits))
    asked = entries(payload.get("request"))
    answer = messages.answer_blocks(payload, limits)
    blocks += [
        *messages.asked_blocks(asked, limits),
        *messages.turn_of(answer),
        *messages.settings_blocks(asked, limits),
    ]
    notes = [words(payload.get(name)) for name in ("severity", "event_name") if payload.get(name)]
    attributes = pairs_block(payload.get("attributes"), limits)
    return Told(notes, [*blocks, *_present(attributes), *more_blocks({"otlp": payload.get("otlp")}, limits)])


def metric(payload: Doc, limits: Limits) -> Told:
    """The data points of a metric."""
    unit = unit_of(payload)
    points = [entries(point) for point in listed(payload.get("points"))]
    shown = [
        pair(
            ", ".join(f"{name}={words(value)}" for name, value in entries(point.get("attributes")).items()) or "all",
            metric_value(point, unit),
        )
        for point in points[:PAIRS_MAX]
    ]
    more = len(points) - len(shown)
    notes = [words(payload.get(name)) for name in ("kind", "temporality") if payload.get(name)]
    blocks = [text_block(words(payload["description"]), limits)] if payload.get("description") else []
    if shown:
        left_out = f"{fmt.count(more)} more" if more > 0 else ""
        blocks.append(Block(form="pairs", pairs=shown, left_out=left_out))
    return Told(notes, [*blocks, *more_blocks({"otlp": payload.get("otlp")}, limits)])


def resource(payload: Doc, limits: Limits) -> Told:
    """What a process says of itself."""
    return Told([], _present(pairs_block(payload.get("attributes"), limits)))

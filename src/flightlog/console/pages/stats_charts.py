"""Numbers over time: tables that a script draws as charts, each cell with the way to what it counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from flightlog.analytics.answer import Answer
from flightlog.analytics.fold import Part
from flightlog.clock import NS_PER_SECOND, format_ns
from flightlog.console import format as fmt
from flightlog.console.pages.stats_tables import NONE, Asked

LINES_MAX = 6


@dataclass(frozen=True, kw_only=True)
class StatsPoint:
    """One number at one time."""

    figure: Annotated[str, "The number, as people read it."]
    amount: Annotated[str, "The number, as scripts read it; empty for none."]
    behind: Annotated[str | None, "The list of what it counts, if there is one."]


@dataclass(frozen=True, kw_only=True)
class StatsMoment:
    """One bucket."""

    seconds: Annotated[int, "Its beginning, in seconds since 1970."]
    word: Annotated[str, "The same, as people read it, in UTC."]
    points: Annotated[list[StatsPoint], "A number of each line."]


@dataclass(frozen=True, kw_only=True)
class StatsChart:
    """Numbers over time."""

    key: Annotated[str, "A name for scripts and links."]
    caption: Annotated[str, "What it shows."]
    shape: Annotated[str, "How it is drawn: bars, stacked or lines."]
    unit: Annotated[str, "What the numbers are: count, usd or ns."]
    seconds: Annotated[int, "How long a bucket is."]
    lines: Annotated[list[str], "What the lines are called."]
    moments: Annotated[list[StatsMoment], "The buckets, oldest first."]
    words: Annotated[str, "The whole in a sentence."]


def charts_of(about: Asked, models: Answer, tools: Answer | None) -> list[StatsChart]:
    """All that there is something for."""
    made = []
    if models.groups:
        made.append(_calls(about, models))
        if models.total.numbers["cost_usd"]:
            made.append(_cost(about, models))
    if tools is not None and tools.groups:
        made.append(_tools(about, tools))
    return made


def _calls(about: Asked, found: Answer) -> StatsChart:
    series = found.total.series or {}
    good = [calls - errors for calls, errors in zip(series["calls"], series["errors"], strict=True)]
    numbers = found.total.numbers
    return _chart(
        found,
        key="calls",
        caption="Model calls",
        shape="stacked",
        unit="count",
        lines=["answered", "failed"],
        values=[good, series["errors"]],
        behind=[
            lambda since, until: about.calls(since, until),
            lambda since, until: about.calls(since, until, status="error"),
        ],
        words=f"{fmt.counted(numbers['calls'], 'call', 'calls')}, {fmt.count(numbers['errors'])} of them failed",
    )


def _cost(about: Asked, found: Answer) -> StatsChart:
    groups = found.groups[:LINES_MAX]
    parts = [group.part for group in groups]
    values = [(part.series or {})["cost_usd"] for part in parts]
    words = [group.value or NONE for group in groups]
    behind: list[Behind] = [_of_model(about, group.value) for group in groups]
    rest: list[Part] = [group.part for group in found.groups[LINES_MAX:]]
    rest += [] if found.others is None else [found.others.part]
    if rest:
        together = [(part.series or {})["cost_usd"] for part in rest]
        values.append([sum(each) for each in zip(*together, strict=True)])
        words.append("others")
        behind.append(lambda since, until: None)
    return _chart(
        found,
        key="cost",
        caption="Cost by model",
        shape="stacked",
        unit="usd",
        lines=words,
        values=values,
        behind=behind,
        words=f"{fmt.money(found.total.numbers['cost_usd'])} in all",
    )


def _tools(about: Asked, found: Answer) -> StatsChart:
    groups = found.groups[:LINES_MAX]
    values = [[spread.p95 for spread in (group.part.series or {})["latency_ns"]] for group in groups]
    slowest = max((group.part.numbers["latency_ns"].p95 or 0 for group in groups), default=0)
    return _chart(
        found,
        key="tools",
        caption="p95 latency by tool",
        shape="lines",
        unit="ns",
        lines=[group.value or NONE for group in groups],
        values=values,
        behind=[_of_tool(about, group.value) for group in groups],
        words=f"the most used tools; the slowest of them takes {fmt.duration(slowest)} at p95",
    )


Behind = Callable[[int, int], str | None]


def _of_model(about: Asked, model: str | None) -> Behind:
    return lambda since, until: about.calls(since, until, model=model)


def _of_tool(about: Asked, tool: str | None) -> Behind:
    return lambda since, until: about.results(tool, since, until)


def _chart(
    found: Answer, *, unit: str, values: Sequence[Sequence[Any]], behind: Sequence[Behind], **more: Any
) -> StatsChart:
    width = found.question.width or 0
    moments = [
        StatsMoment(
            seconds=at // NS_PER_SECOND,
            word=_word(at, found.question.bucket),
            points=[_point(unit, line[place], link(at, at + width)) for line, link in zip(values, behind, strict=True)],
        )
        for place, at in enumerate(found.times)
    ]
    return StatsChart(unit=unit, seconds=width // NS_PER_SECOND, moments=moments, **more)


def _point(unit: str, value: Any, behind: str | None) -> StatsPoint:
    if not value:
        nothing = "0" if unit == "count" else fmt.NOTHING
        return StatsPoint(figure=nothing, amount="" if value is None else "0", behind=None)
    text = {"count": fmt.count, "usd": fmt.money, "ns": fmt.duration}[unit](value)
    return StatsPoint(figure=text, amount=str(value), behind=behind)


def _word(at: int, bucket: str | None) -> str:
    text = format_ns(at)
    return text[:10] if bucket == "day" else f"{text[:10]} {text[11:16]}"

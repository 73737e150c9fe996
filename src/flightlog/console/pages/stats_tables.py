"""Numbers in groups, as tables whose rows lead to what they count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from flightlog.analytics.answer import Answer
from flightlog.analytics.fold import Part
from flightlog.clock import format_ns
from flightlog.console import format as fmt
from flightlog.console.page import href
from flightlog.filters.fields import AUDITS, EVENTS, GENERATIONS
from flightlog.filters.language import parse
from flightlog.runs.summary import RunSummary

NONE = "(none)"


@dataclass(frozen=True)
class Asked:
    """What the page is about, for the links from it: `since` and `until` are nanoseconds."""

    project: str
    query: str
    since: int = 0
    until: int = 0

    def link(self, path: str, query: str, since: int | None = None, until: int | None = None) -> str:
        """A list of what is behind a number."""
        first, last = self.since if since is None else since, self.until if until is None else until
        params = {"q": query, "project": self.project, "since": format_ns(first), "until": format_ns(last)}
        return href(path, params)

    def calls(self, since: int | None = None, until: int | None = None, **terms: str | None) -> str | None:
        """The calls of models with these values; None where no list can ask for that."""
        if None in terms.values():
            return None
        query = parse(self.query, GENERATIONS)
        for field, value in terms.items():
            query = query.without(field).with_value(field, str(value))
        return self.link("/traces", str(query), since, until)

    def results(self, name: str | None, since: int | None = None, until: int | None = None, **terms: str) -> str | None:
        """The results of a tool."""
        if name is None:
            return None
        query = parse("type:tool_result", EVENTS).with_value("name", name)
        for field, value in terms.items():
            query = query.with_value(field, value)
        return self.link("/events", str(query), since, until)


@dataclass(frozen=True, kw_only=True)
class StatsCell:
    """One number of a row."""

    figure: Annotated[str, "The number, as people read it."]
    behind: Annotated[str | None, "The list of what it counts, if there is one."] = None
    tone: Annotated[str, "bad, faint or empty."] = ""


@dataclass(frozen=True, kw_only=True)
class StatsRow:
    """One group."""

    label: Annotated[str, "Its value."]
    behind: Annotated[str | None, "The list of what is in it, if there is one."]
    cells: Annotated[list[StatsCell], "Its numbers."]


@dataclass(frozen=True, kw_only=True)
class StatsTable:
    """Groups with their numbers."""

    key: Annotated[str, "A name for scripts and links."]
    caption: Annotated[str, "What it shows."]
    label: Annotated[str, "What the groups are."]
    heads: Annotated[list[str], "What the numbers are."]
    lines: Annotated[list[StatsRow], "The groups, in their order."]
    nothing: Annotated[str, "What is said where there are none."]


def tables_of(
    about: Asked,
    models: Answer,
    speeds: Answer,
    failing: Answer | None,
    decisions: Answer | None,
    feedback: Answer | None,
    slowest: list[RunSummary],
) -> list[StatsTable]:
    """All that were asked for."""
    made = [_models(about, models, speeds)]
    if failing is not None:
        made.append(_failing(about, failing))
    if not about.query:
        made.append(_slowest(slowest))
    if decisions is not None:
        made.append(_denied(about, decisions))
    if feedback is not None:
        made.append(_judged(about, feedback))
    return made


def _models(about: Asked, found: Answer, speeds: Answer) -> StatsTable:
    known = {group.value: group.part for group in speeds.groups}
    lines = [
        StatsRow(
            label=group.value or NONE,
            behind=about.calls(model=group.value),
            cells=_calls(about, group.part, known.get(group.value), group.value),
        )
        for group in found.groups
    ]
    if found.others is not None:
        lines.append(
            StatsRow(
                label=_others(found.others.values),
                behind=None,
                cells=_calls(None, found.others.part, None if speeds.others is None else speeds.others.part, None),
            )
        )
    return StatsTable(
        key="models",
        caption="Models",
        label="Model",
        heads=["Calls", "Failed", "Tokens in", "Tokens out", "Cost", "p50", "p95", "p99"],
        lines=lines,
        nothing="No model answered in this time.",
    )


def _calls(about: Asked | None, part: Part, speed: Part | None, model: str | None) -> list[StatsCell]:
    numbers, spread = part.numbers, None if speed is None else speed.numbers["latency_ns"]
    failed = None if about is None else about.calls(model=model, status="error")
    return [
        _count(numbers["calls"]),
        _count(numbers["errors"], failed, "bad"),
        StatsCell(figure=fmt.short(numbers["tokens_input"])),
        StatsCell(figure=fmt.short(numbers["tokens_output"])),
        StatsCell(figure=fmt.money(numbers["cost_usd"])),
        *(StatsCell(figure=fmt.duration(getattr(spread, name, None))) for name in ("p50", "p95", "p99")),
    ]


def _failing(about: Asked, found: Answer) -> StatsTable:
    lines = []
    for group in found.groups:
        numbers = group.part.numbers
        if not numbers["errors"]:
            continue
        errors = about.results(group.value, status="error")
        cells = [
            _count(numbers["errors"], errors, "bad"),
            StatsCell(figure=f"{numbers['error_rate'] * 100:.1f} %"),
            _count(numbers["calls"]),
            StatsCell(figure=fmt.duration(numbers["latency_ns"].p95)),
        ]
        lines.append(StatsRow(label=group.value or NONE, behind=about.results(group.value), cells=cells))
    return StatsTable(
        key="failing",
        caption="Tools that fail most",
        label="Tool",
        heads=["Failed", "Share", "Calls", "p95"],
        lines=lines,
        nothing="No tool failed in this time.",
    )


def _slowest(runs: list[RunSummary]) -> StatsTable:
    lines = [
        StatsRow(
            label=run.name or fmt.short_id(run.run_id),
            behind=href(f"/runs/{run.run_id}"),
            cells=[
                StatsCell(figure=fmt.duration(run.duration_ns)),
                StatsCell(figure=run.status, tone="bad" if run.status == "failed" else ""),
                _count(run.error_count, None, "bad"),
                StatsCell(figure=fmt.money(run.cost_usd)),
            ],
        )
        for run in runs
        if run.duration_ns is not None
    ]
    return StatsTable(
        key="slowest",
        caption="Slowest runs",
        label="Run",
        heads=["Took", "Status", "Errors", "Cost"],
        lines=lines,
        nothing="No run that began in this time has ended.",
    )


def _denied(about: Asked, found: Answer) -> StatsTable:
    lines = []
    for group in found.groups:
        if not group.part.numbers["denied"] and not group.part.numbers["granted"]:
            continue
        query = parse("type:capability_decision", AUDITS)
        every = None
        if group.value is not None:
            query = query.with_value("capability", group.value)
            every = about.link("/audit", str(query))
        cells = [
            _count(
                group.part.numbers[word],
                None if every is None else about.link("/audit", str(query.with_value("decision", word))),
                "bad" if word == "denied" else "",
            )
            for word in ("denied", "granted")
        ]
        lines.append(StatsRow(label=group.value or NONE, behind=every, cells=cells))
    return StatsTable(
        key="denied",
        caption="Permissions",
        label="Permission",
        heads=["Denied", "Granted"],
        lines=lines,
        nothing="No permission was decided on in this time.",
    )


def _judged(about: Asked, found: Answer) -> StatsTable:
    lines = []
    for group in found.groups:
        numbers = group.part.numbers
        average = numbers["score_average"]
        cells = [
            _count(numbers["thumbs_up"], about.calls(model=group.value, thumb="up")),
            _count(numbers["thumbs_down"], about.calls(model=group.value, thumb="down"), "bad"),
            StatsCell(figure=fmt.NOTHING if numbers["up_rate"] is None else f"{numbers['up_rate'] * 100:.0f} %"),
            StatsCell(figure=fmt.NOTHING if average is None else f"{average:.3g}"),
        ]
        label = "(of no model call)" if group.value is None else group.value
        lines.append(StatsRow(label=label, behind=about.calls(model=group.value), cells=cells))
    return StatsTable(
        key="feedback",
        caption="Feedback",
        label="Model",
        heads=["Up", "Down", "Up, share", "Score"],
        lines=lines,
        nothing="Nobody said anything in this time.",
    )


def _others(values: int) -> str:
    return f"({fmt.counted(values, 'other', 'others')})"


def _count(number: int, behind: str | None = None, tone: str = "") -> StatsCell:
    if not number:
        return StatsCell(figure="0", tone="faint")
    return StatsCell(figure=fmt.count(number), behind=behind, tone=tone)

"""The filters of events and of runs, from a query string."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request

from flightlog.api.paging import MomentText
from flightlog.filters.compile import (
    event_filter,
    generation_filter,
    narrowed_events,
    narrowed_generations,
    narrowed_runs,
    run_filter,
)
from flightlog.filters.params import moment, words
from flightlog.journal.read import EventFilter
from flightlog.runs.filter import HUNG, RunFilter
from flightlog.runs.generation_filter import GenerationFilter
from flightlog.runs.status import STATUSES

Project = Annotated[str | None, Query(description="Only this project.")]
Types = Annotated[list[str] | None, Query(description="Event types, separated by commas: `tool_call,tool_result`.")]
OneType = Annotated[list[str] | None, Query(alias="type", description="The same as `types`.")]
Levels = Annotated[list[str] | None, Query(alias="level", description="Levels, separated by commas: `warn,error`.")]
Statuses = Annotated[
    list[str] | None, Query(alias="status", description="Statuses, separated by commas: `error,failed`.")
]
Sources = Annotated[list[str] | None, Query(alias="source", description="A source; give it again for any of several.")]
Actors = Annotated[list[str] | None, Query(alias="actor", description="An actor; give it again for any of several.")]
Trace = Annotated[str | None, Query(description="A trace id.")]
Span = Annotated[str | None, Query(description="A span id.")]
Task = Annotated[str | None, Query(description="A task id.")]
Correlation = Annotated[str | None, Query(description="A correlation id: a request and its response have the same.")]
Name = Annotated[str | None, Query(description="The exact name: of a span, tool, command or model.")]
Since = Annotated[
    MomentText | None,
    Query(description="Created at this time or later: RFC 3339, nanoseconds since 1970, or an age such as `24h`."),
]
Until = Annotated[
    MomentText | None,
    Query(description="Created before this time: RFC 3339, nanoseconds since 1970, or an age such as `24h`."),
]


async def event_fields(
    request: Request,
    q: Annotated[str | None, Query(description="A query, as in `type:tool_call level:error`.")] = None,
    types: Types = None,
    one_type: OneType = None,
    level: Levels = None,
    status: Statuses = None,
    source: Sources = None,
    actor: Actors = None,
    trace: Trace = None,
    span: Span = None,
    task: Task = None,
    correlation: Correlation = None,
    name: Name = None,
    since: Since = None,
    until: Until = None,
) -> EventFilter:
    """What every list and stream of events can be filtered by. All that is given has to hold."""
    now = now_of(request)
    plain = EventFilter(
        types=words(types) + words(one_type),
        levels=words(level),
        statuses=words(status),
        sources=tuple(source or ()),
        actors=tuple(actor or ()),
        trace_id=trace,
        span_id=span,
        task_id=task,
        correlation_id=correlation,
        name=name,
        since=moment("since", since, now),
        until=moment("until", until, now),
    )
    return narrowed_events(event_filter(q, now), plain) if q else plain


async def events_of_run(run_id: str, fields: Annotated[EventFilter, Depends(event_fields)]) -> EventFilter:
    """The filter of an endpoint whose path names the run."""
    return narrowed_events(fields, EventFilter(run_id=run_id))


async def events_anywhere(
    fields: Annotated[EventFilter, Depends(event_fields)],
    project: Project = None,
    run: Annotated[str | None, Query(description="A run id.")] = None,
) -> EventFilter:
    """The filter of an endpoint over the whole journal."""
    return narrowed_events(fields, EventFilter(project=project, run_id=run))


async def runs_anywhere(
    request: Request,
    project: Project = None,
    status: Annotated[
        list[str] | None, Query(description=f"Statuses, separated by commas: {', '.join((*STATUSES, HUNG))}.")
    ] = None,
    actor: Annotated[str | None, Query(description="The actor that the run was started for.")] = None,
    task: Task = None,
    trace: Trace = None,
    q: Annotated[str | None, Query(description='A query, as in `status:failed model:gpt* cost:>0.1 "log in"`.')] = None,
    since: Annotated[MomentText | None, Query(description="Started at this time or later: as with events.")] = None,
    until: Annotated[MomentText | None, Query(description="Started before this time.")] = None,
) -> RunFilter:
    """The filter of the list of runs. All that is given has to hold."""
    now = now_of(request)
    plain = RunFilter(
        project=project,
        statuses=words(status),
        actor=actor,
        task_id=task,
        trace_id=trace,
        since=moment("since", since, now),
        until=moment("until", until, now),
    )
    return narrowed_runs(run_filter(q, now), plain) if q else plain


async def generations_anywhere(
    request: Request,
    project: Project = None,
    run: Annotated[str | None, Query(description="A run id.")] = None,
    trace: Trace = None,
    q: Annotated[str | None, Query(description='A query, as in `model:gpt* status:error cost:>0.01 "refund"`.')] = None,
    since: Annotated[MomentText | None, Query(description="Started at this time or later: as with events.")] = None,
    until: Annotated[MomentText | None, Query(description="Started before this time.")] = None,
) -> GenerationFilter:
    """The filter of the list of generations. All that is given has to hold."""
    now = now_of(request)
    plain = GenerationFilter(
        project=project,
        run_id=run,
        trace_id=trace,
        since=moment("since", since, now),
        until=moment("until", until, now),
    )
    return narrowed_generations(generation_filter(q, now), plain) if q else plain


def now_of(request: Request) -> int:
    """The time that ages count back from."""
    return int(request.app.state.services.clock.now_ns())

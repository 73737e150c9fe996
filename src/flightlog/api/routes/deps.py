"""What routes ask for, by type."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from flightlog.api.filters import events_anywhere, events_of_run, generations_anywhere, runs_anywhere
from flightlog.api.paging import Page, event_page
from flightlog.journal.read import EventFilter
from flightlog.runs.filter import RunFilter
from flightlog.runs.generation_filter import GenerationFilter
from flightlog.services import Services


async def services_of(request: Request) -> Services:
    """The services of the app that the request came to."""
    services: Services = request.app.state.services
    return services


Here = Annotated[Services, Depends(services_of)]
PageAsked = Annotated[Page, Depends(event_page)]
AnyEvents = Annotated[EventFilter, Depends(events_anywhere)]
RunsEvents = Annotated[EventFilter, Depends(events_of_run)]
AnyGenerations = Annotated[GenerationFilter, Depends(generations_anywhere)]
AnyRuns = Annotated[RunFilter, Depends(runs_anywhere)]

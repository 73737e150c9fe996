"""What routes ask for, by type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Request

from flightlog.api.filters import events_anywhere, events_of_run, generations_anywhere, runs_anywhere
from flightlog.api.paging import Page, event_page
from flightlog.audit.record import admin_event, http_actor, record_admin
from flightlog.journal.read import EventFilter
from flightlog.journal.removed import REMOVAL
from flightlog.runs.filter import RunFilter
from flightlog.runs.generation_filter import GenerationFilter
from flightlog.services import Services
from flightlog.store.contract import Tx


async def services_of(request: Request) -> Services:
    """The services of the app that the request came to."""
    services: Services = request.app.state.services
    return services


def caller_of(request: Request) -> str:
    """Who asks, for the audit trail."""
    return http_actor(request.client.host if request.client else None)


def tell(
    here: Services,
    operation: str,
    actor: str,
    tx: Tx,
    subject_type: str,
    subject_id: str,
    details: dict[str, Any] | None = None,
) -> None:
    """Record in this transaction what a request does to the store itself."""
    record_admin(
        here.journal,
        operation,
        tx=tx,
        actor=actor,
        subject_type=subject_type,
        subject_id=subject_id,
        details=details,
        project=here.settings.project,
        care=here.intake,
        clock=here.clock,
        ids=here.ids,
    )


def tell_retention(here: Services, actor: str) -> Callable[[Tx, str, dict[str, Any]], int]:
    """The same for what retention does, which wants to know the journal id of the audit event."""

    def say(tx: Tx, operation: str, details: dict[str, Any]) -> int:
        event = admin_event(
            operation,
            actor=actor,
            subject_type="events" if operation == REMOVAL else "hold",
            subject_id=details.get("hold_id"),
            details=details,
            project=here.settings.project,
            care=here.intake,
            clock=here.clock,
            ids=here.ids,
        )
        return here.journal.append_in(tx, [event]).ids[0]

    return say


Here = Annotated[Services, Depends(services_of)]
PageAsked = Annotated[Page, Depends(event_page)]
AnyEvents = Annotated[EventFilter, Depends(events_anywhere)]
RunsEvents = Annotated[EventFilter, Depends(events_of_run)]
AnyGenerations = Annotated[GenerationFilter, Depends(generations_anywhere)]
AnyRuns = Annotated[RunFilter, Depends(runs_anywhere)]

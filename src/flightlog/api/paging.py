"""Parameters that every list shares: their reading, and the refusal of those that nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query, Request
from fastapi.dependencies.models import Dependant
from pydantic import WithJsonSchema

from flightlog.filters.params import check_known, parse_flag, parse_id, parse_limit

# Read by ourselves, so that every refusal is a problem of ours; the schema tells what they hold.
LimitText = Annotated[str, WithJsonSchema({"type": "integer", "minimum": 1})]
IdText = Annotated[str, WithJsonSchema({"type": "integer", "minimum": 0})]
FlagText = Annotated[str, WithJsonSchema({"type": "boolean"})]
MomentText = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


@dataclass(frozen=True)
class Page:
    """Which page of events is asked for. `limit` None is the default of the settings."""

    after_id: int | None
    before_id: int | None
    limit: int | None
    latest: bool
    payloads: bool


async def event_page(
    request: Request,
    after_id: Annotated[
        IdText | None,
        Query(alias="afterId", description="Events with a larger id, oldest first: the `nextAfterId` of a page."),
    ] = None,
    before_id: Annotated[
        IdText | None,
        Query(
            alias="beforeId",
            description="Events with a smaller id; alone it reads backwards, and still gives the oldest first.",
        ),
    ] = None,
    limit: Annotated[LimitText | None, Query(description="Most events on the page.")] = None,
    latest: Annotated[FlagText | None, Query(description="The newest events instead of the oldest.")] = None,
    payloads: Annotated[
        FlagText | None, Query(description="`false` leaves the payloads out and does not read them.")
    ] = None,
) -> Page:
    """The page that the query asks for. Raises LimitInvalid, CursorInvalid, FilterInvalid."""
    cap = request.app.state.services.settings.page_events_max
    return Page(
        after_id=parse_id(after_id),
        before_id=parse_id(before_id),
        limit=parse_limit(limit, cap),
        latest=parse_flag("latest", latest, False),
        payloads=parse_flag("payloads", payloads, True),
    )


def parameters_of(dependant: Dependant) -> Iterator[str]:
    """The query parameters of an endpoint and of what it depends on."""
    for field in dependant.query_params:
        yield field.alias
    for inner in dependant.dependencies:
        yield from parameters_of(inner)


async def only_known_parameters(request: Request) -> None:
    """A dependency: raise ParameterUnknown for a parameter that the endpoint does not have.

    A misspelt filter that is passed over shows the wrong data and says nothing.
    """
    if request.query_params:
        check_known(request.query_params, frozenset(parameters_of(request.scope["route"].dependant)))

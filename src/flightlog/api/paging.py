"""Parameters that every list shares: their reading, and the refusal of those that nobody knows."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from pydantic import WithJsonSchema

from flightlog.errors import CursorInvalid, FilterInvalid, LimitInvalid, ParameterUnknown

ID_MAX = 2**63 - 1

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


def parse_limit(text: str | None, cap: int) -> int | None:
    """A number of rows from 1 to `cap`, or None when none is given. Raises LimitInvalid.

    >>> parse_limit("20", 1000), parse_limit(None, 1000)
    (20, None)
    """
    if text is None:
        return None
    number = _whole(text)
    if number is None or not 1 <= number <= cap:
        raise LimitInvalid(limit=text, limit_max=cap)
    return number


def parse_id(text: str | None) -> int | None:
    """A journal id as a cursor; 0 is before the first event. Raises CursorInvalid."""
    if text is None:
        return None
    number = _whole(text)
    if number is None or not 0 <= number <= ID_MAX:
        raise CursorInvalid(cursor=text)
    return number


def parse_flag(name: str, text: str | None, default: bool) -> bool:
    """`true` or `false`. Raises FilterInvalid."""
    if text is None:
        return default
    if text not in ("true", "false"):
        raise FilterInvalid(reason=f"{name} is true or false, not {text!r}")
    return text == "true"


def _whole(text: str) -> int | None:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else None


def documented_parameters(app: FastAPI) -> dict[tuple[str, str], frozenset[str]]:
    """The query parameters of each (method, path template), as the OpenAPI document has them."""
    return {
        (method.upper(), path): frozenset(p["name"] for p in operation.get("parameters", ()) if p["in"] == "query")
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
    }


async def only_known_parameters(request: Request) -> None:
    """A dependency: raise ParameterUnknown for a parameter that the endpoint does not have.

    A misspelt filter that is passed over shows the wrong data and says nothing.
    """
    known: frozenset[str] = request.app.state.parameters[request.method, request.scope["route"].path_format]
    check_known(request.query_params, known)


def check_known(given: Any, known: frozenset[str]) -> None:
    """Raise ParameterUnknown for the first name in `given` that is not `known`."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ParameterUnknown(parameter=name, hint=hint, known=", ".join(sorted(known)) or "none")

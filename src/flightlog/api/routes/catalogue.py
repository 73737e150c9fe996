"""The built-in event types."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from flightlog.api.schemas import document_answers
from flightlog.api.shapes import json_response
from flightlog.events.catalogue import CUSTOM_TYPE, event_type, published

router = APIRouter(prefix="/api/catalogue", tags=["catalogue"])


@router.get("", summary="All event types", responses=document_answers("Every built-in type, by code."))
async def catalogue() -> Response:
    """Code, schema and a worked example of each; and the pattern that types of your own follow."""
    return json_response({"types": published(), "custom": CUSTOM_TYPE})


@router.get("/{name}", summary="One event type", responses=document_answers("One built-in type.", 404))
async def one(name: str) -> Response:
    """Code, schema and a worked example."""
    return json_response(_published(name))


def _published(name: str) -> dict[str, Any]:
    known = event_type(name)
    return next(entry for entry in published() if entry["type"] == known.type)

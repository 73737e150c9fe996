"""What the OpenAPI document says of bodies and answers, from the same structs that make them."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from flightlog.api.decode import JSON_TYPE, Given
from flightlog.api.intake import Receipt
from flightlog.api.problems import ALL_KINDS, MEDIA_TYPE
from flightlog.api.shapes import EventPageShape, EventShape, HealthShape, KindShape, RunPageShape, RunShape
from flightlog.api.shapes_audits import AuditGiven, AuditOutcomeShape, AuditPageShape, AuditShape, DecisionsShape
from flightlog.api.shapes_compare import ComparisonShape
from flightlog.api.shapes_deadletters import (
    AlertsShape,
    LetterDetailShape,
    LetterGroupsShape,
    LetterPageShape,
    ReplayApplyGiven,
    ReplayGiven,
    ReplayItemsShape,
    ReplayPlanShape,
    ReplayPlansShape,
    ReplayStopGiven,
)
from flightlog.api.shapes_facets import CompletionShape, FacetsShape
from flightlog.api.shapes_feedback import FeedbackGiven, FeedbackPageShape, FeedbackSummaryShape, RunDetailShape
from flightlog.api.shapes_generations import (
    GenerationDetailShape,
    GenerationPageShape,
    PricesShape,
    RecomputedShape,
    RecomputeGiven,
)
from flightlog.api.shapes_otlp import UnmappedListShape
from flightlog.api.shapes_rollup import RollupShape
from flightlog.api.shapes_seal import SealStateShape, VerifiedShape, VerifyGiven
from flightlog.api.shapes_sql import SqlAnswerShape, SqlGiven, SqlViewsShape
from flightlog.api.shapes_stats import StatsShape
from flightlog.api.shapes_tasks import (
    PipelinesShape,
    QueuesShape,
    TaskActionGiven,
    TaskGiven,
    TaskPageShape,
    TaskResultShape,
    TaskShape,
)
from flightlog.api.shapes_views import ViewGiven, ViewShape, ViewsShape
from flightlog.api.sse import MEDIA_TYPE as SSE_TYPE
from flightlog.events import wire
from flightlog.filters.holds import HoldGiven
from flightlog.retention.told import (
    DoneShape,
    HoldShape,
    HoldsShape,
    PlanShape,
    ReceiptsShape,
    ReleaseGiven,
    RulesShape,
)

REF = "#/components/schemas/{name}"

PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "A problem document (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "A path on this server that explains this kind of problem."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "integer", "description": "Five digits; never changes its meaning."},
        "detail": {"type": "string", "description": "What happened this time."},
        "instance": {"type": "string", "description": "The path of the request."},
        "request_id": {"type": "string"},
        "facts": {"type": "object", "description": "The values that `detail` speaks of."},
    },
}


def answers(shape: type[msgspec.Struct], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that answers with this shape or with one of these problems."""
    return _responses({JSON_TYPE: {"schema": {"$ref": REF.format(name=shape.__name__)}}}, statuses)


def document_answers(description: str, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that answers with a document of a shape of its own."""
    return _responses({JSON_TYPE: {"schema": {"type": "object", "description": description}}}, statuses)


def stream_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a live stream."""
    description = (
        "`id:` is the journal id and `data:` an event as JSON; comments and ids without data are signs of life."
    )
    return _responses({SSE_TYPE: {"schema": {"type": "string", "description": description}}}, statuses)


def task_stream_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a task's live stream."""
    description = "`event: task`, `data:` the task as JSON, `id:` where it is; comments are signs of life."
    return _responses({SSE_TYPE: {"schema": {"type": "string", "description": description}}}, statuses)


def lines_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that answers with one JSON object a line."""
    return _responses({"application/x-ndjson": {"schema": {"type": "string"}}}, statuses)


def report_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that answers with a report."""
    content: dict[str, Any] = {name: {"schema": {"type": "string"}} for name in ("text/markdown", "text/html")}
    content[JSON_TYPE] = {"schema": {"type": "object", "description": "The report as data."}}
    return _responses(content, statuses)


def text_answers() -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that answers with a word."""
    return _responses({"text/plain": {"schema": {"type": "string"}}}, ())


def sql_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that answers SQL."""
    content: dict[str, Any] = {JSON_TYPE: {"schema": {"$ref": REF.format(name=SqlAnswerShape.__name__)}}}
    for media_type in ("text/csv", "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"):
        content[media_type] = {"schema": {"type": "string", "format": "binary"}}
    return _responses(content, statuses)


def file_answers(media_type: str, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that answers with a file."""
    return _responses({media_type: {"schema": {"type": "string", "format": "binary"}}}, statuses)


def export_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that answers with a file in one of several formats."""
    kinds = ("application/jsonl", "text/csv", "application/vnd.apache.parquet")
    return _responses({name: {"schema": {"type": "string", "format": "binary"}} for name in kinds}, statuses)


def _responses(content: dict[str, Any], statuses: tuple[int, ...]) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {200: {"description": "Done", "content": content}}
    for status in statuses:
        titles = sorted(f"{kind.title} ({kind.code})" for kind in ALL_KINDS.values() if kind.status == status)
        found[status] = {"description": " · ".join(titles), "content": _problem()}
    found["default"] = {"description": "A problem", "content": _problem()}
    return found


def _problem() -> dict[str, Any]:
    return {MEDIA_TYPE: {"schema": {"$ref": REF.format(name="Problem")}}}


def event_bodies() -> dict[str, Any]:
    """The request body of `POST /api/events`."""
    event = {"$ref": REF.format(name="Given")}
    batch = {"type": "object", "required": ["events"], "properties": {"events": {"type": "array", "items": event}}}
    lines = "One event a line, as the recorder writes them; see the reference page on HTTP."
    return {
        "requestBody": {
            "required": True,
            "content": {
                JSON_TYPE: {"schema": {"oneOf": [batch, event]}},
                wire.MEDIA_TYPE: {"schema": {"type": "string", "description": lines}},
            },
        }
    }


def json_body(shape: type[msgspec.Struct]) -> dict[str, Any]:
    """The request body of an endpoint that reads this shape."""
    return {
        "requestBody": {
            "required": True,
            "content": {JSON_TYPE: {"schema": {"$ref": REF.format(name=shape.__name__)}}},
        }
    }


def make_openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the schemas of our own structs."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
        license_info=app.license_info,
    )
    shapes = [
        HoldGiven,
        ReleaseGiven,
        HoldShape,
        HoldsShape,
        RulesShape,
        PlanShape,
        DoneShape,
        ReceiptsShape,
        SealStateShape,
        VerifyGiven,
        VerifiedShape,
        EventShape,
        EventPageShape,
        RunShape,
        RunPageShape,
        HealthShape,
        KindShape,
        Given,
        Receipt,
        FacetsShape,
        CompletionShape,
        ComparisonShape,
        RollupShape,
        ViewGiven,
        ViewShape,
        ViewsShape,
        StatsShape,
        GenerationPageShape,
        GenerationDetailShape,
        PricesShape,
        RecomputeGiven,
        RecomputedShape,
        FeedbackGiven,
        FeedbackPageShape,
        UnmappedListShape,
        FeedbackSummaryShape,
        RunDetailShape,
        AuditGiven,
        AuditOutcomeShape,
        AuditPageShape,
        AuditShape,
        DecisionsShape,
        SqlGiven,
        SqlAnswerShape,
        SqlViewsShape,
        TaskGiven,
        TaskActionGiven,
        TaskShape,
        TaskPageShape,
        TaskResultShape,
        PipelinesShape,
        QueuesShape,
        LetterPageShape,
        LetterGroupsShape,
        LetterDetailShape,
        AlertsShape,
        ReplayGiven,
        ReplayApplyGiven,
        ReplayStopGiven,
        ReplayPlanShape,
        ReplayPlansShape,
        ReplayItemsShape,
    ]
    _, components = msgspec.json.schema_components(shapes, ref_template=REF)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(components, Problem=PROBLEM_SCHEMA)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return document

"""What a resource's attributes say about all of its records, and the event that describes a resource."""

from __future__ import annotations

from typing import Any

from flightlog.events.envelope import FIELD_CHARS_MAX, Event
from flightlog.ingest.otlp.mapping.making import digest_of, encoded, fitted, moment
from flightlog.ingest.otlp.mapping.version import MAPPING_VERSION
from flightlog.ingest.otlp.model import Origin, Place


def origin_of(attributes: dict[str, Any], schema_url: str = "", default_project: str = "default") -> Origin:
    """The origin that these resource attributes describe.

    The project is `flightlog.project`, else `openinference.project.name`, else `default_project`.

    >>> origin_of({"service.name": "shop", "flightlog.run.id": "r1"}).source
    'shop'
    """
    return Origin(
        project=_first(attributes, "project", "flightlog.project", "openinference.project.name") or default_project,
        source=_first(attributes, "source", "service.name"),
        actor=_first(attributes, "actor", "flightlog.actor", "gen_ai.agent.name", "enduser.id", "user.id"),
        run_id=_whole(attributes, "run_id", "flightlog.run.id"),
        task_id=_whole(attributes, "task_id", "flightlog.task.id"),
        digest=digest_of(attributes)[:16] if attributes else "",
        attributes=attributes,
        schema_url=schema_url,
    )


def map_resource(origin: Origin, place: Place, seen_ns: int = 0) -> Event:
    """The event that describes a place of this origin. `seen_ns` is when the first of its records happened."""
    payload: dict[str, Any] = {"digest": place.digest, "attributes": origin.attributes}
    if origin.schema_url:
        payload["schema_url"] = origin.schema_url
    if place.scope.name:
        payload["scope"] = place.scope.label
    if place.scope.attributes:
        payload["scope_attributes"] = place.scope.attributes
    if place.dialect:
        payload["dialect"] = place.dialect
    payload["mapping"] = MAPPING_VERSION
    data, flags = encoded(payload)
    return Event(
        event_id=f"resource-{place.digest}",
        type="resource",
        created_at=moment(seen_ns),
        project=origin.project,
        name=fitted(origin.source, "name"),
        source=origin.source,
        flags=flags,
        payload=data,
    )


def _first(attributes: dict[str, Any], field: str, *keys: str) -> str | None:
    for key in keys:
        value = attributes.get(key)
        if type(value) is str and value:
            return fitted(value, field)
    return None


def _whole(attributes: dict[str, Any], field: str, key: str) -> str | None:
    """An id, which can't be cut without becoming another."""
    value = attributes.get(key)
    return value if type(value) is str and 0 < len(value) <= FIELD_CHARS_MAX[field] else None

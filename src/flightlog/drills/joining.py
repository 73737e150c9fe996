"""What a server and a worker have of drills, where their settings allow them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flightlog.config import Settings

if TYPE_CHECKING:
    from flightlog.tasks.pipeline import Pipeline


def drill_pipelines(settings: Settings) -> dict[str, Pipeline]:
    """The drill's pipeline, by its name; nothing where drills are off."""
    if not settings.drills:
        return {}
    from flightlog.drills.pipeline import NAME, Drill
    from flightlog.tasks.declare import declared

    made = declared(Drill)
    assert made is not None
    return {NAME: made}


def drill_handlers(settings: Settings) -> dict[str, Any]:
    """Who refuses the messages that a drill wants refused, by topic; nobody where drills are off."""
    if not settings.drills:
        return {}
    from flightlog.drills.message import TOPIC, refuse_samples

    return {TOPIC: refuse_samples}

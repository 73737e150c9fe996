"""What a server has of a project, asked for over HTTP; in the shape in which `reading` has what a folder has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import httpx

LIMIT = 200


class Answered(NamedTuple):
    """As `reading.Stored`: what is a row there and what was said in it are one object here."""

    calls: list[tuple[Any, Any]]
    events: list[Any]
    runs: list[dict[str, Any]]

    def call(self, model: str) -> tuple[Any, Any]:
        """The one call of this model."""
        [found] = [one for one in self.calls if one[0].request_model == model]
        return found

    def payload(self, event: Any) -> dict[str, Any]:
        made: dict[str, Any] = event.payload
        return made


def get(url: str, path: str, **query: Any) -> Any:
    answer = httpx.get(f"{url}{path}", params=query, timeout=20)
    answer.raise_for_status()
    return answer.json()


def ask(url: str, project: str) -> Answered:
    page = get(url, "/api/generations", project=project, sort="started", limit=LIMIT, count="true")
    assert page["total"] == len(page["generations"])
    calls = []
    for row in page["generations"]:
        detail = get(url, f"/api/generations/{row['generation_id']}")
        assert detail.items() >= row.items()
        detail["tool_answers"] = [SimpleNamespace(**one) for one in detail["tool_answers"]]
        calls.append((SimpleNamespace(**detail),) * 2)
    events = get(url, "/api/events", project=project, limit=LIMIT)["events"]
    runs = get(url, "/api/runs", project=project, limit=LIMIT)["runs"]
    return Answered(calls, [SimpleNamespace(**event) for event in events], runs)

"""`up` on PostgreSQL: two servers of one database, as real processes; every endpoint and page answers, or says why not."""

from __future__ import annotations

import json
import random
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from flightlog import wiring
from flightlog.config import Settings
from flightlog.console.routes import router as pages
from flightlog.store.address import without_password
from flightlog.store.lock import holder
from tests.analytics.flown import flight
from tests.api.serving import Stream
from tests.cli.conftest import spool_notes
from tests.cli.terminal import SECONDS_MAX, Server, flightlog
from tests.contract.postgres import drop_database, make_database

pytestmark = pytest.mark.xdist_group("up-postgres")

PIPELINE = """
from flightlog.tasks import pipeline, step

@pipeline("double", states=["QUEUED", "DOUBLING"])
class Double:
    @step("DOUBLING")
    def double(self, task):
        task.recorder.note("doubling")
        return {"twice": task.input["number"] * 2}
"""
REFUSED = 501
# What a store on PostgreSQL has not; and what nobody has put there.
NOT_THERE = {
    "/api/runs/{run_id}/evidence": REFUSED, "/seal/checkpoint": REFUSED, "/seal/tile/{path}": REFUSED,
    "/api/sql": REFUSED, "/sql": REFUSED, "/sql/result": REFUSED,
}  # fmt: skip
STREAMS = re.compile(r"/stream$")


class Pair(NamedTuple):
    """Two servers of one database, the folder that both have, and what was put in by way of them."""

    one: Server
    two: Server
    folder: Path
    database: str
    known: dict[str, str]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both start at once, on a database with nothing in it."""
    folder, database = tmp_path_factory.mktemp("pair") / "state", make_database()
    (pipelines := folder.parent / "doubling.py").write_text(PIPELINE, "utf-8")
    with ExitStack() as stack:
        stack.callback(drop_database, database)
        more = {"FLIGHTLOG_STORE": database, "FLIGHTLOG_PIPELINES": str(pipelines)}
        starting = [stack.enter_context(Starting(folder, **more)) for _ in range(2)]
        one, two = (server.until_ready() for server in starting)
        yield Pair(one, two, folder, database, fill(one.url))


class Starting(Server):
    """A server that is not waited for yet."""

    def __init__(self, folder: Path, **env: str) -> None:
        super(Server, self).__init__(["up", "--dir", folder, "--port", "0", "--json"], **env)

    def until_ready(self) -> Server:
        self.ready = json.loads(self.line())
        self.url = self.ready["url"]
        return self


def fill(url: str) -> dict[str, str]:
    """A bit of everything; ids of it by the names that paths have for them."""
    with httpx.Client(base_url=url, timeout=SECONDS_MAX) as client:

        def put(path: str, body: Any) -> Any:
            answer = client.post(path, json=body)
            assert answer.status_code < 300, (path, answer.text[:500])
            return answer.json()

        sent = [
            json.loads(msgspec.json.encode(event))
            for event in flight(random.Random(3), 120)
            if event.type != "tool_result"
        ]
        wanted = (
            "event_id",
            "type",
            "run_id",
            "project",
            "name",
            "actor",
            "source",
            "status",
            "correlation_id",
            "payload",
        )
        given = [{name: event[name] for name in wanted if event.get(name) is not None} for event in sent]
        put("/api/events", {"events": given})
        put("/api/audits", {"operation": "door.open", "actor": "ann", "outcome": "succeeded"})
        view = put("/api/views", {"name": "mine", "page": "runs", "query": "q=status:ok"})
        hold = put("/api/retention/holds", {"run_id": "r1", "reason": "asked for"})
        generation = client.get("/api/generations").json()["generations"][0]
        feedback = put("/api/feedback", {"target_id": generation["generation_id"], "value": "up"})
        task = put("/v1/tasks", {"pipeline": "double", "input": {"number": 21}})
        audits = client.get("/api/audits").json()["audits"]
    return {
        "run_id": "r1", "event_id": sent[0]["event_id"], "generation_id": generation["generation_id"], "name": "note",
        "feedback_id": feedback["feedback_id"], "slug": "not-found", "path": "0/000", "view_id": view["view_id"],
        "hold_id": hold["hold_id"], "task_id": task["task_id"], "audit": audits[0]["event_id"],
    }  # fmt: skip


def asked(path: str, known: dict[str, str]) -> str:
    """The path with an id of something that is there."""
    if path.startswith("/api/audits/{"):
        known = {**known, "event_id": known["audit"]}
    if path.startswith("/panel/"):
        known = {**known, "event_id": "1"}
    made = re.sub(r"\{(\w+)(?::path)?\}", lambda name: known.get(name[1], "none-such"), path)
    needed = {"/api/complete": "?scope=runs", "/api/runs/compare": "?left=r1&right=r2", "/compare": "?left=r1&right=r2",
              "/api/sql": "?query=select+1", "/sql": "?query=select+1", "/sql/result": "?query=select+1"}  # fmt: skip
    return made + needed.get(path, "")


def test_every_endpoint_and_page_answers_or_says_what_is_not_there(pair: Pair) -> None:
    with httpx.Client(base_url=pair.two.url, timeout=SECONDS_MAX) as client:
        paths = client.get("/openapi.json").json()["paths"]
        shown = {route.path: {"get": {}} for route in pages.routes}  # type: ignore[attr-defined]
        wrong = []
        for path, methods in {**paths, **shown}.items():
            for method in methods:
                if STREAMS.search(path) or (method != "get" and "{task_id}" in path):
                    continue
                url = asked(path, pair.known)
                answer = client.request(method, url, **({} if method == "get" else {"json": {}}))
                right = answer.status_code == NOT_THERE.get(path, 200)
                if method != "get":
                    right = answer.status_code < 500 or path in ("/api/verify", "/api/sql")
                if "none-such" in url:
                    right = answer.status_code in (404, 422)
                if not right:
                    wrong.append((method, url, answer.status_code, answer.text[:300]))
        assert not wrong, wrong
        refused = client.get("/seal/checkpoint").json()
        assert (refused["code"], refused["type"]) == (50101, "/problems/not-on-this-store")
        assert 'href="/sql"' not in client.get("/").text
    for server in (pair.one, pair.two):
        assert not [line for line in server.errors if "Traceback" in line]


def test_what_one_server_takes_the_other_tells_at_once_and_refuses_a_second_time(pair: Pair) -> None:
    with Stream(f"{pair.two.url}/api/events/stream", run="told") as stream:
        each = {"type": "note", "run_id": "told", "created_at": "2026-11-01T12:00:00Z", "payload": {"text": "on"}}
        body = {"events": [{"event_id": f"told-{number}", **each} for number in range(3)]}
        first = httpx.post(f"{pair.one.url}/api/events", json=body, timeout=SECONDS_MAX).json()
        assert [stream.next()["event_id"] for _ in range(3)] == ["told-0", "told-1", "told-2"]
        again = httpx.post(f"{pair.two.url}/api/events", json=body, timeout=SECONDS_MAX).json()
    assert (first["accepted"], again["accepted"], again["duplicates"]) == (3, 0, 3)
    for server in (pair.one, pair.two):
        assert httpx.get(f"{server.url}/api/runs/told", timeout=SECONDS_MAX).json()["event_count"] == 3


def test_a_task_that_one_server_took_is_done(pair: Pair) -> None:
    task_id = pair.known["task_id"]
    with Stream(f"{pair.two.url}/v1/tasks/{task_id}/stream") as stream:
        while (state := stream.next()["state"]) != "SUCCEEDED":
            assert state != "FAILED"
    result = httpx.get(f"{pair.one.url}/v1/tasks/{task_id}/result", timeout=SECONDS_MAX).json()
    assert {"twice": 42} in result.values() or result == {"twice": 42}


def test_one_of_them_delivers_the_folder_and_then_the_other(pair: Pair) -> None:
    """What is recorded in the folder is left to them, also by a recorder that could make a store there itself."""
    recorder = wiring.open(pair.folder, settings=Settings())
    with recorder.run("by the way") as run:
        run.note("here")
    recorder.close()
    deliverer = holder(pair.folder)
    first, second = (pair.one, pair.two) if deliverer == pair.one.pid else (pair.two, pair.one)
    with Stream(f"{second.url}/api/events/stream", run=run.id, afterId=0) as stream:
        assert "note" in [stream.next()["type"] for _ in range(2)]
    first.send(signal.SIGTERM)
    assert first.wait() == 0
    later = spool_notes(pair.folder, 5)
    with Stream(f"{second.url}/api/events/stream", run=later, afterId=0) as stream:
        assert stream.take(5)
    assert not (pair.folder / "flightlog.db").exists()
    assert holder(pair.folder) == second.pid


def test_it_says_where_it_is_without_a_password(pair: Pair) -> None:
    assert pair.one.ready["store"] == without_password(pair.database)
    assert (pair.folder / "store.url").read_text("utf-8").strip() == without_password(pair.database)


def test_the_doctor_looks_at_the_database_and_at_the_folder(pair: Pair) -> None:
    said = flightlog("doctor", "--dir", pair.folder, "--json", env={"FLIGHTLOG_STORE": pair.database})
    found = {finding["name"]: finding for finding in said.json["findings"]}
    assert found["store"]["state"] == "ok"
    assert found["store"]["facts"]["last_id"] > 50
    assert found["store"]["facts"]["database_bytes"] > 1_000_000
    assert "integrity" not in found
    elsewhere = flightlog("doctor", "--dir", pair.folder, "--json").json["findings"]
    assert next(each["text"] for each in elsewhere if each["name"] == "store").endswith(
        without_password(pair.database) + "."
    )


def test_a_folder_is_not_taken_for_another_store(pair: Pair, folder: Path) -> None:
    said = flightlog("up", "--dir", pair.folder, "--port", "0", "--json")
    assert (said.code, said.problem["facts"]["name"]) == (2, "dir")
    said = flightlog("up", "--dir", pair.folder, "--port", "0", "--store", "postgresql://db/other", "--json")
    assert said.problem["facts"]["name"] == "dir"
    with wiring.open(folder, settings=Settings()) as recorder:
        recorder.note("mine")
        assert recorder.flush(SECONDS_MAX)
    said = flightlog("up", "--dir", folder, "--port", "0", "--store", "postgresql://db/other", "--json")
    assert "store of its own" in said.problem["detail"]

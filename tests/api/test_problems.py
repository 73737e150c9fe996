"""Errors as problem documents: one table, complete, documented, and nothing leaks."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from flightlog import errors
from flightlog.api.app import Services
from flightlog.api.problems import ALL_KINDS, HTTP_KINDS, KINDS, Kind, kind_of, problem_of
from flightlog.errors import FlightlogError
from tests.api.serving import Client, FakeJournal, changed, client_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "problems.md"
# What people of other task services know them by.
GIVEN = {40302: errors.QuotaExceeded, 40901: errors.KeyMisused, 42201: errors.MoveIllegal}


def tree(cls: type[FlightlogError] = FlightlogError) -> Iterator[type[FlightlogError]]:
    yield cls
    for child in cls.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def test_every_error_class_has_a_kind_of_its_own() -> None:
    missing = [cls.__name__ for cls in tree() if cls not in KINDS]
    assert not missing, f"give these a code in api/problems.py: {missing}"


def test_a_class_that_is_not_in_the_table_is_of_its_parents_kind() -> None:
    class Unheard(errors.RunNotFound):
        """There is no run {run_id!r} on the moon."""

    assert kind_of(Unheard) is KINDS[errors.RunNotFound]
    assert problem_of(Unheard(run_id="r")).detail == "There is no run 'r' on the moon."


def test_codes_are_unique_five_digits_that_begin_with_their_status_and_some_were_given() -> None:
    kinds = [*KINDS.values(), *HTTP_KINDS.values()]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert len(ALL_KINDS) == len(kinds), "two kinds have the same slug"
    assert {code: cls for cls, kind in KINDS.items() if (code := kind.code) in GIVEN} == GIVEN
    for kind in kinds:
        assert 10_000 <= kind.code <= 99_999
        assert kind.status in {400, 403, 404, 405, 409, 410, 413, 415, 422, 500, 501, 503}
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.slug)
        assert kind.advice.endswith((".", "'flightlog[server]'"))


def test_every_kind_is_on_the_page_with_its_code_status_and_title() -> None:
    rows = set(
        re.findall(
            r"^\| `(\d+)` \| `/problems/([a-z-]+)` \| ([^|]+?) \| ([^|]+?) \|", PAGE.read_text("utf-8"), re.MULTILINE
        )
    )
    assert rows == {(str(kind.code), kind.slug, kind.title, _classes(kind)) for kind in ALL_KINDS.values()}


def _classes(kind: Kind) -> str:
    return next((f"`{cls.__name__}`" for cls, known in KINDS.items() if known is kind), "–")


@pytest.mark.parametrize("slug", sorted(ALL_KINDS))
def test_the_type_of_a_problem_can_be_opened(client: Client, slug: str) -> None:
    kind = ALL_KINDS[slug]
    answer = client.get(kind.type)
    assert answer.status_code == 200
    assert answer.json() == {
        "type": kind.type, "status": kind.status, "code": kind.code, "title": kind.title, "advice": kind.advice,
    }  # fmt: skip
    page = client.get(kind.type, headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert str(kind.code) in page.text


def test_a_problem_has_all_its_members(client: Client) -> None:
    answer = client.get("/api/runs/none", headers={"X-Request-Id": "mine-1"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/problems/run-not-found",
        "title": "There is no such run",
        "status": 404,
        "code": 40401,
        "detail": "There is no run 'none' in this store.",
        "instance": "/api/runs/none",
        "request_id": "mine-1",
        "facts": {"run_id": "none"},
    }


def test_facts_do_not_overwrite_members(client: Client) -> None:
    problem = client.post("/api/events", json={"type": "nonsense", "run_id": "r"}).json()
    assert (problem["type"], problem["facts"]["type"]) == ("/problems/event-type-unknown", "nonsense")


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/nothing", 40404),
        ("DELETE", "/api/events", 40500),
        ("PUT", "/api/runs/r1", 40500),
        ("GET", "/x y/ü", 40404),
    ],
)
def test_what_the_framework_refuses_is_a_problem_too(client: Client, method: str, path: str, code: int) -> None:
    answer = client.request(method, path)
    assert answer.json()["code"] == code
    assert answer.status_code == code // 100
    assert answer.json()["instance"].isascii()


def test_a_method_that_is_not_taken_names_those_that_are(client: Client) -> None:
    assert client.delete("/api/health").headers["allow"] == "GET"


class Bomb(FakeJournal):
    """A journal that fails in a way nobody foresaw."""

    def append(self, *_: object, **__: object) -> None:
        raise ZeroDivisionError("the password is hunter2")


def test_an_unforeseen_error_leaks_nothing_and_is_logged_under_its_request(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of(changed(services, journal=Bomb()))
    with caplog.at_level(logging.ERROR, "flightlog.api"):
        answer = client.post(
            "/api/events", json={"type": "note", "payload": {"text": "hi"}}, headers={"X-Request-Id": "req-9"}
        )
    assert answer.status_code == 500
    assert answer.json()["code"] == 50000
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "req-9"
    assert "hunter2" not in answer.text
    assert "ZeroDivision" not in answer.text
    assert "x-content-type-options" in answer.headers
    assert "req-9" in caplog.text
    assert "hunter2" in caplog.text


class Failing(FakeJournal):
    """A journal that raises what it is given."""

    def __init__(self, error: FlightlogError) -> None:
        self._error = error

    def append(self, *_: object, **__: object) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.StoreBusy(timeout_seconds=5), 50301),
        (errors.StoreUnavailable(reason="the disk is full"), 50302),
        (errors.StoreUncertain(timeout_seconds=5), 50303),
        (errors.StoreGone(path="flightlog.db"), 50004),
    ],
)
def test_trouble_of_the_store_says_whether_to_try_again(services: Services, error: FlightlogError, code: int) -> None:
    answer = client_of(changed(services, journal=Failing(error))).post(
        "/api/events", json={"type": "note", "payload": {"text": "hi"}}
    )
    assert answer.json()["code"] == code
    assert answer.status_code == code // 100
    assert ("retry-after" in answer.headers) == (code // 100 == 503)


def test_a_browser_gets_a_page_and_a_program_gets_json(client: Client) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml"}
    page = client.get("/runs/none", headers=browser)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "There is no such run" in page.text
    assert client.get("/runs/none").json()["code"] == 40401
    assert client.get("/api/runs/none", headers=browser).json()["code"] == 40401

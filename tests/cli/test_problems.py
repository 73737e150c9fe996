"""Every error of ours has an exit code, and the same name here as over HTTP."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import msgspec
import pytest

from flightlog import errors
from flightlog.api.problems import kind_of, problem_of
from flightlog.cli import problems
from flightlog.cli.problems import document, exit_code, from_problem, slug
from flightlog.errors import FlightlogError

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, FlightlogError)]

CODES = {
    "BadInput": 2,
    "ServerExtraMissing": 2,
    "SettingInvalid": 2,
    "LimitInvalid": 2,
    "NotFound": 3,
    "RunNotFound": 3,
    "BindRefused": 4,
    "WriterLocked": 5,
    "ServerUnavailable": 5,
    "StoreUnavailable": 5,
    "StoreTooNew": 6,
    "StoreGone": 6,
}


@pytest.mark.parametrize("name", CODES)
def test_exit_codes_are_these(name: str) -> None:
    assert exit_code(getattr(errors, name)()) == CODES[name]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_has_an_exit_code_that_is_documented(cls: type[FlightlogError]) -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", DOCS.read_text("utf-8"), re.MULTILINE)}
    assert exit_code(cls()) in documented - {0}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_names_are_those_of_http(cls: type[FlightlogError]) -> None:
    assert slug(cls) == kind_of(cls).slug


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_an_error_of_a_server_ends_here_as_one_of_our_own(cls: type[FlightlogError]) -> None:
    facts = dict.fromkeys(re.findall(r"\{(\w+)", cls.__doc__ or ""), 7)
    over_http = problem_of(cls(**facts)).document("/api/x", "r1")
    found = from_problem(over_http["status"], msgspec.json.encode(over_http))
    if cls is not FlightlogError:
        assert type(found) is cls
        assert document(found) == document(cls(**facts))
    assert found.message == over_http["detail"] or over_http["detail"] in found.message


@pytest.mark.parametrize(("status", "code"), [(400, 2), (403, 4), (404, 3), (409, 2), (500, 5), (503, 5)])
def test_a_problem_of_another_version_keeps_its_words(status: int, code: int) -> None:
    body = msgspec.json.encode({"type": "/problems/from-the-future", "detail": "the words", "facts": {}})
    found = from_problem(status, body)
    assert "the words" in found.message
    assert exit_code(found) == code


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"a": 1}', b"\xff\xfe", b'"x"', b"null"])
def test_an_answer_that_is_no_problem_of_ours_is_explained(body: bytes) -> None:
    found = from_problem(502, body)
    assert exit_code(found) == 5
    assert "502" in found.message


def test_advice_names_verbs_that_exist() -> None:
    from flightlog.cli.app import VERBS

    for text in problems.ADVICE.values():
        assert set(re.findall(r"`flightlog (\w+)", text)) <= VERBS.keys()

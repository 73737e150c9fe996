"""Ready answers are the same from every database."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from flightlog.analytics.answer import Answer, answer
from flightlog.analytics.engine import Here
from flightlog.analytics.place import open_kept
from flightlog.analytics.question import make_question
from flightlog.audit.project import AuditProjector
from flightlog.journal.append import Journal
from flightlog.runs.feedback_project import FeedbackProjector
from flightlog.runs.project import RunProjector
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from tests.analytics.conftest import NOW
from tests.analytics.flown import flight
from tests.analytics.test_same_answer import QUESTIONS
from tests.api.serving import START

OTHERS: list[dict[str, Any]] = [
    {"of": "runs", "by": "status", "bucket": "hour"},
    {"of": "runs", "by": "project", "q": "model:alpha* type:llm_response"},
    {"of": "feedback", "by": "name"},
    {"of": "decisions", "by": "actor"},
]
ASKED = [*(asked for asked, _ in QUESTIONS), *OTHERS]


def journal_of(store: Store) -> Journal:
    return Journal(store, [RunProjector(), FeedbackProjector(), AuditProjector()])


def told(store: Store, asked: dict[str, Any]) -> Answer:
    return answer(store, make_question(**{"since": START, "now_ns": NOW, **asked}), open_kept(store, Here()))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    store = open_store(tmp_path_factory.mktemp("plain") / "flight", writable=True)
    journal_of(store).append(flight(random.Random(4), 300))
    found = [told(store, asked) for asked in ASKED]
    store.close()
    return found


def test_every_number_is_the_same_on_every_store(store: Store, plain: list[Answer], tmp_path: Path) -> None:
    journal_of(store).append(flight(random.Random(4), 300))
    for asked, expected in zip(ASKED, plain, strict=True):
        assert told(store, asked) == expected, asked
    assert plain[0].total.numbers["calls"] > 10

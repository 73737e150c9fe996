"""A store, and the numbers of it with whatever part of it archived."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flightlog.analytics.answer import Answer, answer
from flightlog.analytics.engine import Here
from flightlog.analytics.kept import Kept
from flightlog.analytics.place import open_kept
from flightlog.analytics.question import make_question
from flightlog.services import Services
from tests.api.serving import START, open_services
from tests.archive.reading import Archiving

NOW = START + 90 * 3_600 * 10**9


@pytest.fixture
def archiving(services: Services, tmp_path: Path) -> Archiving:
    return Archiving(services.store, tmp_path / "flight")


Ask = Callable[..., Answer]


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with open_services(tmp_path / "flight") as services:
        yield services


@pytest.fixture
def kept(services: Services) -> Iterator[Kept]:
    kept = open_kept(services.store, Here())
    yield kept
    kept.close()


@pytest.fixture
def ask(services: Services, kept: Kept) -> Ask:
    """Ask as of some hours after the last event; since the first if nothing else is said."""

    def asked(**words: Any) -> Answer:
        return answer(services.store, make_question(**{"since": START, "now_ns": NOW, **words}), kept)

    return asked

"""A store of its own for each test, and reports of run r1 in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flightlog.api.app import Services
from tests.api.serving import Client, Server, client_of, open_services


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with open_services(tmp_path / "flight") as opened:
        yield opened


@pytest.fixture
def client(services: Services) -> Client:
    return client_of(services)


@pytest.fixture
def server(services: Services) -> Iterator[Server]:
    with Server(services) as running:
        yield running

"""One Chromium and one server for all tests that look at the console; without a browser they are skipped, and say so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.api.serving import Server, open_services
from tests.browser.chromium import HOW_TO_GET_ONE, Visits, find_chromium, open_browser, visiting
from tests.browser.flights import Flown, fly
from tests.journeys.served import Served, serve

HERE = Path(__file__).parent
# A browser and a server each: two at a time are what a small machine bears. These files are one group, as long as the rest.
FIRST_GROUP = {"test_events", "test_frame", "test_journeys", "test_tasks", "test_timeline"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            group = "one" if item.path.stem in FIRST_GROUP else "two"
            item.add_marker(pytest.mark.xdist_group(f"browser-{group}"))
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        if os.environ.get("CI", "").lower() not in ("", "0", "false"):
            pytest.fail(f"no browser, which continuous integration has to have: {HOW_TO_GET_ONE}")
        pytest.skip(f"no browser: {HOW_TO_GET_ONE}")
    # Its loop runs in this thread until it is closed, so it has to go before the tests of another folder come.
    with open_browser(path) as opened:
        yield opened


@pytest.fixture(scope="package")
def flown(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Flown:
    """A folder with runs of all sorts. Asks for the browser, so that nothing is made where there is none."""
    return fly(tmp_path_factory.mktemp("console") / "flight")


@pytest.fixture(scope="package")
def served(flown: Flown) -> Iterator[Served]:
    """A server on that folder, for tests that only look."""
    with serve(flown.folder) as running:
        yield running


@pytest.fixture
def visits(browser: Browser, served: Served) -> Iterator[Visits]:
    """Pages of that server. Fails the test where a page had an error or asked another host for something."""
    with visiting(browser, served.url) as opened:
        yield opened


@pytest.fixture(scope="package")
def served_empty(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on a folder where nothing was ever recorded."""
    with serve(tmp_path_factory.mktemp("empty")) as running:
        yield running


@pytest.fixture
def empty(browser: Browser, served_empty: Served) -> Iterator[Visits]:
    """Pages of the server that has nothing."""
    with visiting(browser, served_empty.url) as opened:
        yield opened


@pytest.fixture
def own(browser: Browser, tmp_path: Path) -> Iterator[Visits]:
    """A server on an empty folder of the test's own (`tmp_path`), and pages of it."""
    with serve(tmp_path) as running, visiting(browser, running.url) as opened:
        yield opened


@pytest.fixture
def fresh(browser: Browser, tmp_path: Path) -> Iterator[Visits]:
    """Pages of a server in this process on an empty folder: there in a moment, but nothing drains a spool into it."""
    with open_services(tmp_path) as services, Server(services) as running, visiting(browser, running.url) as opened:
        yield opened

"""The pytest plugin's way in. pytest loads this in every session, so all it does is to know the option `--flightlog`.

It stands beside the package, for importing a part of `flightlog` imports all that `import flightlog` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flightlog.recorder.run import Span

__all__ = ["flightlog_span", "pytest_addoption", "pytest_configure"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("flightlog", "recording with Flightlog").addoption(
        "--flightlog",
        nargs="?",
        const="",
        default=None,
        metavar="FOLDER|URL",
        help="Record this session as a run, each test as a span of it, into a data folder ($FLIGHTLOG_DIR, else ./flight, if "
        "none is named) or to a server. Write --flightlog=PLACE, for what follows --flightlog is taken for the place.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load the rest when it is asked for."""
    if config.getoption("flightlog", None) is not None:
        from flightlog.pytest_plugin import register

        register(config)


@pytest.fixture
def flightlog_span(request: pytest.FixtureRequest) -> Iterator[Span]:
    """The span that this test is recorded as, entered: what the test records lands in it. Without --flightlog, one that is
    only kept in memory, so that a test that uses it runs all the same."""
    recording = request.config.pluginmanager.get_plugin("flightlog-session")
    span = recording.span_of(request.node) if recording is not None else None
    if span is None:
        from flightlog.testing import MemoryRecorder

        recorder = MemoryRecorder()
        with recorder.run("pytest") as run, run.span(request.node.name) as span:
            yield span
    else:
        with span:
            yield span

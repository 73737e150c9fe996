"""What all tests share."""

from __future__ import annotations

import gc
import os
import signal

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "house",
    max_examples=40,  # a sample; `make torture` takes the other profile
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("torture", settings.get_profile("house"), max_examples=1_000)
settings.load_profile("house")

# Whoever starts the tests in the background has them ignore Ctrl-C, and every program that they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are processors: many tests wait for processes that they started, or for a browser."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_finish() -> None:
    """Thousands of tests and what they import stay to the end: the garbage collector, which walked through all of it again and
    again, took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_unconfigure() -> None:
    """What was set aside is taken down in order, or libraries in C++ say at the end that they leak."""
    gc.unfreeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what was left out because there is no browser."""
    skipped = [
        report for report in terminalreporter.stats.get("skipped", []) if "browser" in getattr(report, "keywords", ())
    ]
    without = [report for report in skipped if "no browser" in str(report.longrepr)]
    if without:
        advice = str(without[0].longrepr[2]).split("no browser: ")[-1]
        terminalreporter.write_sep("=", "not tested", yellow=True, bold=True)
        terminalreporter.write_line(
            f"The console in a browser: {len(without)} tests were skipped. To run them, {advice}."
        )

"""Tests that share a server or a browser run in one process, or each process would start its own."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.xdist_group("house")


def test_a_group_of_tests_is_known_to_who_hands_them_out(request: pytest.FixtureRequest) -> None:
    """pytest-xdist tells groups by the end of a test's id, and says nothing where a version of pytest keeps it from that."""
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("only `--dist loadgroup` has groups, as `make test` runs it")
    assert request.node.nodeid.endswith("@house")

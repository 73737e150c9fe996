"""What the tests of this room share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flightlog.recorder import context


@pytest.fixture(autouse=True)
def _apart() -> Iterator[None]:
    """What connects the two tracers is one for the process; each test begins without."""
    yield
    context._beside = None

"""Real files of other tools, where the machine has them, and small ones of our own everywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of real sample files; they are other people's, so they lie beside the checkout and not in it."""
    given = os.environ.get("FLIGHTLOG_TEST_SAMPLES")
    folder = Path(given) if given else REPO.parent / "shared" / "samples"
    if not folder.is_dir():
        pytest.skip(f"no sample files in {folder}; set FLIGHTLOG_TEST_SAMPLES to a folder that has them")
    return folder


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[..., Path]:
    """Writes entries (objects, or bytes as they are) as a JSON Lines file and gives its path."""

    def write(*entries: Any, name: str = "session.jsonl") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join((e if isinstance(e, bytes) else json.dumps(e).encode()) + b"\n" for e in entries))
        return path

    return write

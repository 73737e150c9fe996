"""The schema's history: numbered migrations in `versions/`, forwards only, run by Alembic inside one transaction."""

from __future__ import annotations

from pathlib import Path

# Oldest first. A test holds this list against the files, so that opening an up-to-date store needs no Alembic.
KNOWN: tuple[str, ...] = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
)
HEAD = KNOWN[-1]

FOLDER = Path(__file__).parent

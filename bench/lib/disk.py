"""What of a data folder takes how many bytes a span."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from flightlog.store.sqlite import DATABASE_FILE

# By the beginning of a table's or an index's name, the longest first.
_PARTS = (
    ("event_payloads", "payloads"),
    ("run_events_", "indexes of envelopes"),
    ("span_places", "indexes of envelopes"),
    ("run_events", "envelopes"),
    ("generations_", "indexes of model calls"),
    ("generations", "model calls"),
    ("runs", "runs"),
    ("seal", "seal: salts"),
)
REST, LOG, TILES = "the rest of the database", "write-ahead log", "seal: tiles beside the database"


def split(folder: Path, spans: int) -> list[list[str]]:
    """Rows of a part, its bytes a span, and those of them that are empty pages' room."""
    path = folder / DATABASE_FILE
    asked = "SELECT name, sum(pgsize), sum(unused) FROM dbstat GROUP BY name"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        found = database.execute(asked).fetchall()
    sizes = {part: [0, 0] for part in dict.fromkeys(part for _, part in _PARTS)}
    sizes |= {REST: [0, 0], LOG: [0, 0], TILES: [0, 0]}
    for name, size, unused in found:
        part = next((part for start, part in _PARTS if name.startswith(start)), REST)
        sizes[part][0] += size
        sizes[part][1] += unused
    sizes[REST][0] += path.stat().st_size - sum(size for _, size, _ in found)
    log = folder / f"{DATABASE_FILE}-wal"
    sizes[LOG][0] = log.stat().st_size if log.exists() else 0
    sizes[TILES][0] = sum(one.stat().st_size for one in (folder / "seal").rglob("*") if one.is_file())
    rows = [[part, f"{size / spans:,.0f}", f"{unused / spans:,.0f}"] for part, (size, unused) in sizes.items()]
    database_bytes = sum(size for part, (size, _) in sizes.items() if part != TILES)
    return [
        *rows,
        ["database and log", f"{database_bytes / spans:,.0f}", ""],
        ["all", f"{(database_bytes + sizes[TILES][0]) / spans:,.0f}", ""],
    ]

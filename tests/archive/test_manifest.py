"""Which files may hold a key is asked of one part of each file's filter, however many there are."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import event

from flightlog.archive import manifest
from flightlog.archive.keys import build
from flightlog.archive.table import archive_files, archive_keys
from flightlog.config import Settings
from flightlog.store.contract import Store
from flightlog.store.engine import open_store

FILES, KEYS = 5, 3_000


def _keep_files(store: Store) -> None:
    """So many files, each with keys `<file>-<number>` and filters of several parts."""
    rows, parts = [], []
    for number in range(1, FILES + 1):
        bits = build(f"{number}-{key}".encode() for key in range(KEYS))
        assert len(bits) > 1
        values = {column.name: 0 for column in archive_files.columns}
        texts = {"path": f"{number}", "project": "p", "date": "2026-01-01", "types": "{}", "levels": "{}"}
        rows.append({**values, **texts, "file_id": number, "digest": b"", "key_parts": f'{{"run_id": {len(bits)}}}'})
        parts += [{"file_id": number, "column": "run_id", "part": part, "bits": some} for part, some in enumerate(bits)]
    store.write(lambda tx: (tx.sql.execute(archive_files.insert(), rows), tx.sql.execute(archive_keys.insert(), parts)))


def test_a_key_is_looked_for_in_one_part_of_each_files_filter(tmp_path: Path) -> None:
    store = open_store(tmp_path, settings=Settings(), writable=True)
    try:
        _keep_files(store)
        asked: list[tuple[str, tuple[object, ...]]] = []
        with store.read() as connection:
            event.listen(
                connection, "before_cursor_execute", lambda *given: asked.append((str(given[2]), tuple(given[3])))
            )
            assert 4 in manifest.files_with(connection, "run_id", "4-17")
            assert manifest.files_with(connection, "span_id", "4-17") == set()
            statement, values = asked[0]
            steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
        assert steps == ["SCAN f", "SEARCH k USING PRIMARY KEY (file_id=? AND column=? AND part=?)"]
    finally:
        store.close()


def test_a_key_of_any_file_is_found_in_it(tmp_path: Path) -> None:
    store = open_store(tmp_path, settings=Settings(), writable=True)
    try:
        _keep_files(store)
        with store.read() as connection:
            held = manifest.files_with_any(connection, "run_id", [f"{number}-0" for number in range(FILES + 2)])
        for number in range(1, FILES + 1):
            assert number in held[f"{number}-0"]
    finally:
        store.close()

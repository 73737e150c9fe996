"""Archives parts of a store's journal, as the archiver does but where a test wants the line to be."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from sqlalchemy import delete, insert, select, update

from flightlog.archive.columns import GENERATION_COLUMNS, NAMES, SCHEMA_VERSION, TOOL_TYPES, schema
from flightlog.archive.table import archive_files, archive_state
from flightlog.journal.table import event_payloads, run_events
from flightlog.runs.generation_table import generations
from flightlog.store.contract import Store, Tx


def archive_until(store: Store, folder: Path, until: int) -> None:
    """Move all events up to this id into files, one for each project and day, and draw the line there."""

    def move(tx: Tx) -> None:
        joined = run_events.outerjoin(event_payloads, event_payloads.c.id == run_events.c.id).outerjoin(
            generations, generations.c.answer_id == run_events.c.id
        )
        typed = [generations.c[name].label(f"typed_{name}") for name in GENERATION_COLUMNS]
        asked = select(run_events, event_payloads.c.payload, *typed).select_from(joined).where(run_events.c.id <= until)
        parts: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in tx.sql.execute(asked.order_by(run_events.c.run_id, run_events.c.id)).mappings():
            date = datetime.fromtimestamp(row["created_at"] // 10**9, UTC).strftime("%Y-%m-%d")
            whole = {name: row[f"typed_{name}"] for name in GENERATION_COLUMNS}
            whole["tool"] = row["name"] if row["type"] in TOOL_TYPES else None
            whole |= {name: row.get(name) for name in NAMES if name not in whole}
            parts.setdefault((row["project"], date), []).append(whole)
        last = tx.sql.execute(select(archive_state.c.last_file_id)).scalar_one()
        for number, ((project, date), rows) in enumerate(parts.items(), last + 1):
            _write(tx, folder, number, project, date, rows)
        tx.sql.execute(
            update(archive_state).values(archived_until=until, dropped_until=until, last_file_id=last + len(parts))
        )
        tx.sql.execute(delete(event_payloads).where(event_payloads.c.id <= until))
        tx.sql.execute(delete(run_events).where(run_events.c.id <= until))

    store.write(move)


def _write(tx: Tx, folder: Path, number: int, project: str, date: str, rows: list[dict[str, Any]]) -> None:
    table = pyarrow.Table.from_pylist(rows, schema=schema())
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink, compression="zstd", row_group_size=50)
    path = f"project={project}/date={date}/{number}.parquet"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(sink.getvalue())
    ids, times = [row["id"] for row in rows], [row["created_at"] for row in rows]
    tx.sql.execute(
        insert(archive_files).values(
            file_id=number, path=path, project=project, date=date, first_id=min(ids), last_id=max(ids),
            events=len(rows), bytes=len(sink.getvalue()), payload_bytes=sum(row["payload_bytes"] for row in rows),
            digest=hashlib.sha256(sink.getvalue()).digest(), schema_version=SCHEMA_VERSION,
            created_at_min=min(times), created_at_max=max(times), received_at_min=0, received_at_max=0,
            run_count=len({row["run_id"] for row in rows}), types=json.dumps(Counter(row["type"] for row in rows)),
            levels=json.dumps(Counter(row["level"] for row in rows)), key_parts="{}", stale=0, written_at=0,
        )
    )  # fmt: skip

"""A folder whose clock is moved by hand: it records, seals, lets a janitor come by, and is verified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from flightlog.clock import FakeClock
from flightlog.config import Settings
from flightlog.events.envelope import Event
from flightlog.journal.filter import EVERYTHING
from flightlog.journal.lookup import rows_of_page
from flightlog.journal.plan import Span
from flightlog.keeping import keeper_retention
from flightlog.retention.plan import Done, Plan
from flightlog.seal.verify import Report, verify_store
from flightlog.wiring import SEAL_FOLDER, Keeper, keeper_seal, seal_keys

DAY = 24 * 3600.0


class Flight:
    """One folder and its clock."""

    def __init__(self, folder: Path, settings: Settings | None = None, rules: str = "") -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.settings = settings or Settings()
        folder.mkdir(parents=True, exist_ok=True)
        if rules:
            (folder / "retention.toml").write_text(rules)
        self.keeper = Keeper(folder, self.settings, writable=True, clock=self.clock)
        self.retention = keeper_retention(self.keeper, "janitor", self.clock)
        self._number = 0

    def close(self) -> None:
        self.keeper.close()

    def event(self, type_: str = "note", /, *, payload: Any = None, **fields: Any) -> Event:
        """An event of now."""
        self._number += 1
        given: dict[str, Any] = {
            "event_id": f"e{self._number:06d}",
            "type": type_,
            "created_at": self.clock.now_ns(),
            "payload": msgspec.Raw(msgspec.json.encode({"text": "said"} if payload is None else payload)),
        }
        return Event(**{**given, **fields})

    def record(self, *events: Event) -> list[int]:
        return self.keeper.journal.append(list(events)).ids

    def run(self, run_id: str, notes: int = 1, *, status: str | None = "succeeded", **fields: Any) -> list[int]:
        """A run with so many notes; it is over unless the status is None."""
        events = [self.event("run_started", run_id=run_id, name=run_id, **fields)]
        events += [self.event(run_id=run_id, **fields) for _ in range(notes)]
        if status is not None:
            events.append(self.event("run_finished", run_id=run_id, status=status, **fields))
        return self.record(*events)

    def thumb(self, run_id: str, value: str) -> int:
        said = {"target_id": run_id, "target_type": "run", "kind": "thumb", "value": value, "comment": "said aloud"}
        return self.record(self.event("feedback", run_id=run_id, payload=said))[0]

    def days(self, number: float) -> None:
        self.clock.advance(number * DAY)

    def seal(self) -> None:
        thread = keeper_seal(self.keeper, self.clock)
        thread.start()
        thread.stop(timeout=60)
        assert thread.health().error is None

    def plan(self) -> Plan:
        return self.retention.plan()

    def clean(self) -> Done:
        """The janitor comes by: what there is is sealed, what is due goes, and that is sealed."""
        if self.settings.seal:
            self.seal()
        done = self.retention.run()
        if self.settings.seal:
            self.seal()
        return done

    def verify(self) -> Report:
        return verify_store(self.keeper.store, self.folder / SEAL_FOLDER, seal_keys(self.folder, self.settings))

    def ids(self, *, own: bool = False) -> list[int]:
        """What is there; Flightlog's own records among them only with `own`."""
        with self.keeper.store.read() as connection:
            rows = rows_of_page(connection, ("id", "source"), EVERYTHING, Span(0, None, False), 1_000_000)
        return [row_id for row_id, source in rows if own or source != "flightlog"]

    def told(self, name: str = "retention.remove") -> list[tuple[int, dict[str, Any]]]:
        """The audit events of that name: their places and details."""
        with self.keeper.store.read() as connection:
            rows = rows_of_page(connection, ("id", "name", "payload"), EVERYTHING, Span(0, None, False), 1_000_000)
        return [(row[0], msgspec.json.decode(row[2])["details"]) for row in rows if row[1] == name]

    def sql(self, text: str) -> list[Any]:
        with self.keeper.store.read() as connection:
            return list(connection.exec_driver_sql(text).all())

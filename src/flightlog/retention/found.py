"""What is due of a file of the archive, and what that was decided by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flightlog.retention.holds import COLUMNS, Hold
from flightlog.retention.parts import Row
from flightlog.retention.plan import Tally
from flightlog.retention.rules import RunFact
from flightlog.retention.ruling import Ruling

_ID, _RUN = COLUMNS.index("id"), COLUMNS.index("run_id")


class Found:
    """What is due of a file, and what that was decided by."""

    def __init__(self) -> None:
        self.ids: set[int] = set()
        self.tally = Tally()
        self.runs: dict[str, RunFact] = {}
        self.seen = 0
        self.again_at: int | None = None
        self._holds: set[str] = set()

    def take(self, rows: Sequence[Row], ruling: Ruling, runs: Mapping[str, RunFact], standing: Sequence[Hold]) -> None:
        """Look at these rows."""
        self.seen += len(rows)
        self._holds.update(hold.hold_id for hold in standing)
        for row in rows:
            look = ruling.look(row)
            if look.due_by is not None:
                self.ids.add(row[_ID])
                self.tally.add(row, look.due_by)
                if row[_RUN] in runs:
                    self.runs[row[_RUN]] = runs[row[_RUN]]
            elif look.again_at is not None:
                self.again_at = look.again_at if self.again_at is None else min(self.again_at, look.again_at)

    def is_otherwise(self, standing: Sequence[Hold], runs: Mapping[str, RunFact]) -> bool:
        """Whether what it was decided by has changed. That a run that is over got another event is no change."""
        if {hold.hold_id for hold in standing} - self._holds:
            return True
        return any(_judged(runs.get(run_id)) != _judged(fact) for run_id, fact in self.runs.items())


def _judged(run: RunFact | None) -> object:
    if run is None:
        return None
    return run.status, sorted(run.marks, key=repr), run.last_event_at if run.status == "running" else None

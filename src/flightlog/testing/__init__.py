"""For your own tests: a recorder that keeps its events in memory, with time and ids that are the same in every run.

>>> from flightlog.testing import MemoryRecorder
>>> rec = MemoryRecorder()
>>> with rec.run("greet") as run:
...     _ = run.emit("note", {"text": "hello"})
>>> [event.type for event in rec.events]
['run_started', 'note', 'run_finished']
>>> rec.one("note").payload
{'text': 'hello'}
>>> print(rec.snapshot())
run greet: succeeded
  note {"text": "hello"}
"""

from __future__ import annotations

from flightlog.clock import FakeClock
from flightlog.ids import SequentialIds
from flightlog.testing.memory import MemoryRecorder
from flightlog.testing.recorded import Recorded, find, one
from flightlog.testing.story import Node, snapshot, tree

__all__ = ["FakeClock", "MemoryRecorder", "Node", "Recorded", "SequentialIds", "find", "one", "snapshot", "tree"]

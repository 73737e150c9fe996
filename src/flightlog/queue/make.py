"""From the setting `queue_engine` to a queue."""

from __future__ import annotations

import importlib.util

from flightlog.clock import Clock
from flightlog.config import Settings
from flightlog.errors import DbosExtraMissing
from flightlog.queue.own import OwnQueue
from flightlog.queue.port import Queue
from flightlog.store.contract import Store


def make_queue(store: Store, clock: Clock, settings: Settings) -> Queue:
    """The queue of a store. Raises DbosExtraMissing."""
    if settings.queue_engine == "own":
        return OwnQueue(store, clock, settings)
    if importlib.util.find_spec("dbos") is None:
        raise DbosExtraMissing(what="The queue engine dbos")
    from flightlog.queue.dbos import DbosQueue  # with it comes the library

    return DbosQueue(store, clock, settings)

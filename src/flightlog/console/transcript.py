"""A run as steps: each request with what answered it, in the order in which they began."""

from __future__ import annotations

from dataclasses import dataclass, field

from flightlog.console.payload import decoded
from flightlog.events.catalogue import CATALOGUE
from flightlog.events.envelope import StoredEvent
from flightlog.journal.read import EventFilter, read_events
from flightlog.services import Services

# A sign of life is no step; what a process says of itself and its counters tell nothing of the work.
SILENT = frozenset({"run_heartbeat", "resource", "metric"})
# What a finished span can be: one event that says how it began and how it ended.
SPANS = frozenset({"llm_response", "tool_result", "span_finished"})
STEPS_SHOWN = 40
EVENTS_READ = 120
READS_MAX = 10
ANSWERS_MAX = 50

# The type that each answering type answers, and the other way round.
ANSWERED: dict[str, str] = {kind.type: kind.answers for kind in CATALOGUE.values() if kind.answers}
ANSWERING: dict[str, tuple[str, ...]] = {
    asked: tuple(type_ for type_, of in ANSWERED.items() if of == asked) for asked in ANSWERED.values()
}


@dataclass
class Step:
    """What began with `events[0]`; what answered it comes after, also from beyond the page."""

    events: list[StoredEvent] = field(default_factory=list)

    @property
    def first(self) -> StoredEvent:
        return self.events[0]

    @property
    def last(self) -> StoredEvent:
        return self.events[-1]

    @property
    def waits(self) -> bool:
        """Whether an answer may still come."""
        return self.first.type in ANSWERING and self.first.correlation_id is not None and len(self.events) == 1

    @property
    def began_at(self) -> int:
        """When it began, in nanoseconds."""
        return self.first.created_at - (self.first.duration_ns or 0 if is_span(self.first) else 0)


def is_span(event: StoredEvent) -> bool:
    """Whether the event is a finished span of OpenTelemetry: a step by itself, told when it ended."""
    return event.type in SPANS and b'"otlp"' in bytes(event.payload) and "otlp" in decoded(bytes(event.payload))


@dataclass(frozen=True)
class Window:
    """Some steps of a run. `last_id` is the last event that was looked at: the next window begins after it."""

    steps: list[Step]
    last_id: int
    at_end: bool


def window_of(services: Services, run_id: str, after_id: int, steps_max: int = STEPS_SHOWN) -> Window:
    """The steps that begin after an event, with their answers."""
    reader = _Reader(services, run_id, after_id, steps_max)
    at_end = False
    for _ in range(READS_MAX):
        page = read_events(
            services.store,
            EventFilter(run_id=run_id),
            after_id=reader.last_id,
            limit=min(EVENTS_READ, services.settings.page_events_max),
        )
        if not all(reader.take(event) for event in page.events):
            break
        if not page.more:
            at_end = True
            break
    if not at_end:
        reader.fetch_answers()
    # Finished spans come in the order in which they ended; what a part held would be told before the part.
    if any(is_span(step.first) for step in reader.steps):
        reader.steps.sort(key=lambda step: step.began_at)
    return Window(reader.steps, reader.last_id, at_end)


class _Reader:
    """Takes events in order until it has enough steps."""

    def __init__(self, services: Services, run_id: str, after_id: int, steps_max: int) -> None:
        self.services, self.run_id, self.after_id, self.steps_max = services, run_id, after_id, steps_max
        self.steps: list[Step] = []
        self.last_id = after_id
        self._open: dict[tuple[str, str], Step] = {}

    def take(self, event: StoredEvent) -> bool:
        """Whether the event still belongs to this window."""
        if event.type not in SILENT:
            key = _key(event)
            step = self._open.get(key) if key else None
            if step is not None and event.type in ANSWERED:
                step.events.append(event)
            elif not (event.type in ANSWERED and self._was_told(event)):
                if len(self.steps) >= self.steps_max:
                    return False
                self._begin(event, key)
        self.last_id = event.id
        return True

    def _begin(self, event: StoredEvent, key: tuple[str, str] | None) -> None:
        step = Step([event])
        self.steps.append(step)
        if key and key[0] in ANSWERING:
            self._open[key] = step

    def _was_told(self, event: StoredEvent) -> bool:
        """Whether the step that this event answers began before this window, and has it already."""
        if not self.after_id or _key(event) is None:
            return False
        wanted = EventFilter(
            run_id=self.run_id, correlation_id=event.correlation_id, types=(ANSWERED[event.type], event.type)
        )
        page = read_events(
            self.services.store, wanted, before_id=self.after_id + 1, backwards=True, limit=1, payloads=False
        )
        return bool(page.events)

    def fetch_answers(self) -> None:
        """Add the answers that lie beyond what was read: those up to where a later call takes the same correlation id."""
        for step in self._open.values():
            asked = ANSWERED.get(step.first.type, step.first.type)
            answering = ANSWERING.get(asked, ())
            wanted = EventFilter(
                run_id=self.run_id, correlation_id=step.first.correlation_id, types=tuple({asked, *answering})
            )
            for event in read_events(self.services.store, wanted, after_id=self.last_id, limit=ANSWERS_MAX).events:
                if event.type not in answering:
                    break
                step.events.append(event)


def _key(event: StoredEvent) -> tuple[str, str] | None:
    if event.correlation_id is None or is_span(event):
        return None
    return ANSWERED.get(event.type, event.type), event.correlation_id


def before(services: Services, run_id: str, type_: str, until_id: int, count: int) -> list[StoredEvent]:
    """The last events of a type up to an event, oldest first."""
    wanted = EventFilter(run_id=run_id, types=(type_,))
    return read_events(services.store, wanted, before_id=until_id + 1, backwards=True, limit=count).events


def page_before(services: Services, run_id: str, after_id: int) -> int | None:
    """Where the window before this one begins, roughly; None when this is the first."""
    if not after_id:
        return None
    wanted = EventFilter(run_id=run_id)
    page = read_events(
        services.store, wanted, before_id=after_id + 1, backwards=True, limit=2 * STEPS_SHOWN, payloads=False
    )
    if not page.events:
        return None
    return page.events[0].id - 1 if page.more else 0

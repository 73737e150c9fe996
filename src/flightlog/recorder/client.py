"""The recorder: what an application holds. It never raises into the application and never makes it wait (law 2)."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any

from flightlog.clock import Clock, SystemClock
from flightlog.config import Settings
from flightlog.errors import EventInvalid, FlightlogError
from flightlog.events.catalogue import required_keys
from flightlog.events.envelope import FLAG_INVALID, Event
from flightlog.ids import Ids, SystemIds
from flightlog.recorder.confirm import AuditOutcome, Witness, confirm
from flightlog.recorder.context import current_scope, follow_threads, own_scope
from flightlog.recorder.drain import Drain, wait_for
from flightlog.recorder.fields import fit, take_fields
from flightlog.recorder.health import RUNGS, SPOOLING, Degradation, Draining, Health, Loss
from flightlog.recorder.helpers import Instruments
from flightlog.recorder.losses import reports
from flightlog.recorder.prepare import Outgoing, Preparer
from flightlog.recorder.redact import Redactor
from flightlog.recorder.run import Run, Span
from flightlog.recorder.spool import SpoolWriter
from flightlog.recorder.traces import inject, trace_to_join
from flightlog.recorder.watch import Watch

log = logging.getLogger("flightlog.recorder")

TEND_SECONDS = 0.25


class Recorder(Instruments):
    """Records events; made by `flightlog.open`. Any thread may use it, and a forked child goes on as a producer of its own.

    With `strict=True` a call that breaks a rule raises EventInvalid instead of being recorded as well as it can be; for tests.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Settings,
        clock: Clock | None = None,
        ids: Ids | None = None,
        drain: Drain | None = None,
        spool: Any = None,
        actor: str | None = None,
        source: str | None = None,
        strict: bool = False,
        digest_key: bytes | None = None,
        witness: Witness | None = None,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.ids: Ids = ids or SystemIds()
        self.strict = strict
        self.bad_calls = 0
        self.audits_unconfirmed = 0
        self.closed = False
        self._drain = drain
        self._witness = witness
        self._dropped = threading.local()  # the last event of this thread that could not be kept
        self._preparer = Preparer(settings, Redactor.from_settings(settings, digest_key))
        # What stands in the head of every event is cleaned here, and of every run where it is made, once.
        self._project = self._preparer.clean(settings.project) or "default"
        self.actor = self.cleaned("actor", actor)
        self.source = self.cleaned("source", source)
        self._producer_id = self.ids.producer_id(self.clock.now_ns())
        self._spool: SpoolWriter = spool or SpoolWriter(
            folder / "spool", self._producer_id, settings, self.clock, self._loss_events, self._first_event
        )
        # What every emit needs, bound once: attribute by attribute it costs a tenth of the emit.
        self._now, self._event_id, self._keys = self.clock.now_ns, self.ids.event_id, required_keys
        self._prepare, self._append = self._preparer.body, self._spool.append
        self._runs: dict[str, Run] = {}
        self._watch = Watch(self._spool, drain, self.clock, self.record)
        self._stop = threading.Event()
        self._tender: threading.Thread | None = None
        self._beat_ns = self.clock.monotonic_ns()
        _recorders.add(self)
        follow_threads()
        if drain is not None:
            drain.start()

    # ── recording ────────────────────────────────────────────────────────────────────────────────────────────────

    def run(
        self,
        name: str,
        *,
        actor: str | None = None,
        task_id: str | None = None,
        source: str | None = None,
        run_id: str | None = None,
        trace_id: str | None = None,
        parent_span_id: str | None = None,
        traceparent: Mapping[str, object] | str | None = None,
        attributes: Mapping[str, object] | None = None,
        input: object = None,  # noqa: A002 - the word users know
    ) -> Run:
        """A run, to be used in a `with` block or with `start` and `finish`. A run inside a run or span shares its trace.

        `traceparent` are the headers of a request, or that header's text: the run goes on in the trace that they name.
        """
        if trace_id is None:
            trace_id, parent_span_id = trace_to_join(traceparent, parent_span_id)
        return Run(
            self,
            self.cleaned("name", name) or "run",
            run_id=self.cleaned("run_id", run_id) or self.ids.run_id(self.clock.now_ns()),
            project=self._project,
            actor=self.cleaned("actor", actor) or self.actor,
            source=self.cleaned("source", source) or self.source,
            task_id=self.cleaned("task_id", task_id),
            trace_id=self.cleaned("trace_id", trace_id) or self.ids.trace_id(),
            span_id=self.ids.span_id(),
            parent_span_id=self.cleaned("parent_span_id", parent_span_id),
            attributes=attributes,
            input=input,
        )

    def cleaned(self, field: str, value: object) -> str | None:
        """A text that stands in the head of many events, without its secrets and no longer than the field may be."""
        return self._preparer.clean(fit(field, value)[0])

    def span(self, name: str, **attributes: object) -> Span:
        """A span of the current run; outside any run its events belong to no run."""
        scope = current_scope()
        return Span(self, scope.run if scope else None, name, attributes)

    @property
    def run_id(self) -> str | None:
        """The id of the run that the calling code is inside of."""
        scope = own_scope()
        return scope.run.id if scope is not None and scope.run is not None else None

    def inject(self, headers: MutableMapping[str, str]) -> MutableMapping[str, str]:
        """Name the current run or span in these headers (W3C `traceparent`) and give them back, for a request to others."""
        scope = current_scope()
        return inject(headers, scope.trace, scope.span_id) if scope is not None else headers

    @property
    def as_target(self) -> tuple[str | None, str]:
        """What feedback is about that names no target: the current run."""
        return self.run_id, "run"

    def emit(self, type: str, payload: object = None, **fields: Any) -> str:  # noqa: A002 - the envelope's own word
        """Record one event and give its id, once its bytes are in the kernel. Never raises, never waits for a disk or network.

        `fields` are the envelope's: level, name, status, correlation_id, duration_ns, source, actor, task_id, run_id, trace_id,
        span_id, parent_span_id, created_at (ns), flags. Inside a run the event belongs to it unless `run_id` says otherwise.
        """
        scope = current_scope()
        if scope is not None and "run_id" not in fields:
            return self.record(scope.run, scope.span_id, type, payload, scope.located(fields))
        return self.record(None, None, type, payload, fields)

    def record(self, run: Run | None, span_id: str | None, type_: str, payload: object, fields: dict[str, Any]) -> str:
        """What every emit comes down to."""
        try:
            now = self._now()
            event_id = self._event_id(now)
            if run is not None:
                event = Outgoing(
                    event_id=event_id, type=type_, created_at=now, run_id=run.id, project=run.project, source=run.source,
                    actor=run.actor, trace_id=run.trace_id, span_id=span_id, task_id=run.task_id, payload=payload,
                )  # fmt: skip
            else:
                event = Outgoing(
                    event_id=event_id, type=type_, created_at=now, project=self._project, source=self.source,
                    actor=self.actor, payload=payload,
                )  # fmt: skip
            keys = self._keys(type_) if type_.__class__ is str else None
            if fields or keys is None or type(payload) is not dict or not keys <= payload.keys():
                self._check(event, fields, keys)
                kept = self._append(self._prepare(event, not fields), event.level, event.run_id, now)
            else:
                kept = self._append(self._prepare(event, True), "info", event.run_id, now)
            if not kept:
                self._dropped.event_id = event_id
            return event_id
        except EventInvalid:
            if self.strict:
                raise
            return ""
        except Exception as error:
            return self.lost(run, type_, error)

    def _check(self, event: Outgoing, fields: dict[str, Any], keys: frozenset[str] | None) -> None:
        """Take the caller's fields over, repair what breaks a rule, flag and count it. Raises only when strict."""
        problems = take_fields(event, fields, keys)
        if problems:
            if self.strict:
                raise problems[0]
            event.flags |= FLAG_INVALID
            event.type = self._preparer.clean(event.type) or "invalid"  # anything can stand where a type should
            self.bad_calls += 1

    def lost(self, run: Run | None, type_: object, error: Exception) -> str:
        """Last resort: what could not be recorded at all is counted, so that it shows as a loss. Never raises."""
        try:
            self._spool.lose("encode_failed", run.id if run is not None else None, time.time_ns())
        except Exception:
            log.debug("flightlog could not record %r: %s", type_, error)
        return ""

    def emit_and_wait(self, type: str, payload: object, timeout: float | None, **fields: Any) -> AuditOutcome:  # noqa: A002
        """As `emit`, and wait until it is in the store, for `timeout` seconds at most. Never raises."""
        scope = current_scope()
        if scope is not None and "run_id" not in fields:
            return self.record_and_wait(scope.run, scope.span_id, type, payload, scope.located(fields), timeout)
        return self.record_and_wait(None, None, type, payload, fields, timeout)

    def record_and_wait(
        self,
        run: Run | None,
        span_id: str | None,
        type_: str,
        payload: object,
        fields: dict[str, Any],
        timeout: float | None,
    ) -> AuditOutcome:
        """What every emit that waits comes down to. What is not in the store then is logged, and counted in health()."""
        seconds = self.settings.audit_timeout_seconds if timeout is None else timeout
        event_id = self.record(run, span_id, type_, payload, fields)
        if event_id in ("", getattr(self._dropped, "event_id", "")):
            reason = self._spool.trouble or RUNGS[self._spool.rung].meaning
            made = AuditOutcome(state="failed", event_id=event_id, reason=reason)
        elif self._witness is None:
            made = AuditOutcome(state="spooled", event_id=event_id, reason="nobody knows where to look for it")
        else:
            made = confirm(event_id, self._witness, self._drain, max(seconds, 0.0))
        if not made.is_stored:
            self.audits_unconfirmed += 1
            log.warning("%s %s is not in the store: %s (%s)", type_, event_id, made.state, made.reason)
        return made

    def take(self, event: Event) -> bool:
        """Record an event that is one already, with its own id, times and run. True once its bytes are in the kernel.

        Redacted and truncated as every event is, and numbered by this recorder. Never raises.
        """
        try:
            return self._append(self._preparer.ready(event), event.level, event.run_id, self._now())
        except Exception as error:
            self.lost(None, event.type, error)
            return False

    # ── delivery ─────────────────────────────────────────────────────────────────────────────────────────────────

    def flush(self, timeout: float | None = None) -> bool:
        """True when everything recorded so far is in the store; False when `timeout` seconds (5 by default) were not enough."""
        seconds = self.settings.flush_timeout_seconds if timeout is None else timeout
        self._spool.cut()
        if self._drain is not None:
            self._drain.hurry(seconds)
        return wait_for(self._spool.delivered, self._drain.progress if self._drain else None, seconds)

    def close(self, timeout: float | None = None) -> bool:
        """Finish: flush if this process delivers, and let go of the files. Safe to call twice; what is left stays spooled."""
        if self.closed:
            return True
        self.closed = True
        done = self.flush(timeout) if self._delivers() or timeout is not None else self._spool.delivered()
        self._stop.set()
        if self._tender is not None and self._tender is not threading.current_thread():
            self._tender.join(2 * TEND_SECONDS)
        self._spool.close()
        if self._drain is not None:
            self._drain.stop(timeout=self.settings.flush_timeout_seconds)
        _recorders.discard(self)
        return done

    def _delivers(self) -> bool:
        return self._drain is not None and self._drain.state in ("here", "server", "elsewhere")

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ── health ───────────────────────────────────────────────────────────────────────────────────────────────────

    def health(self) -> Health:
        """How this recorder is doing right now."""
        spool = self._spool
        draining: Draining = self._drain.state if self._drain is not None else "nobody"
        number = spool.rung if spool.rung or draining != "nobody" else SPOOLING
        return Health(
            rung=RUNGS[number].name,
            meaning=RUNGS[number].meaning,
            producer_id=spool.producer_id,
            recorded=spool.recorded,
            dropped=dict(spool.tally.by_reason),
            dropped_total=spool.tally.total,
            redacted=self._preparer.redacted,
            truncated=self._preparer.truncated,
            withheld=self._preparer.withheld,
            bad_calls=self.bad_calls,
            audits_unconfirmed=self.audits_unconfirmed,
            spool_bytes=spool.bytes_used,
            spool_room_bytes=spool.bytes_room,
            draining=draining,
            drain_error=self._drain.error if self._drain is not None else None,
            degradation=self.degradation(),
        )

    def degradation(self) -> Degradation | None:
        """The signal that results carry while persistence is degraded, else None. Cheap."""
        return self._watch.degradation()

    # ── upkeep ───────────────────────────────────────────────────────────────────────────────────────────────────

    def run_opened(self, run: Run) -> None:
        """A run has started: it gets heartbeats from now on. Called by the run."""
        self._runs[run.id] = run
        self._watch.run_opened(run)
        self._first_event()

    def run_closed(self, run: Run) -> None:
        """A run has finished. Called by the run."""
        self._runs.pop(run.id, None)
        self._watch.run_closed(run)

    def _first_event(self) -> None:
        """Start the thread that tends the spool; after a fork it is started again in the child."""
        if self._tender is None and not self.closed:
            self._tender = threading.Thread(target=self._tend, name="flightlog-recorder", daemon=True)
            self._tender.start()
            if self._drain is not None:
                self._drain.start()

    def _tend(self) -> None:
        while not self._stop.wait(TEND_SECONDS):
            try:
                self._spool.tend()
                self._watch.look(self._runs)
                self._beat()
            except OSError as error:
                log.debug("upkeep of the spool: %s", error)

    def _beat(self) -> None:
        now = self.clock.monotonic_ns()
        if now - self._beat_ns < self.settings.heartbeat_seconds * 1e9:
            return
        self._beat_ns = now
        for run in list(self._runs.values()):
            payload = {"open_spans": list(run.open_spans.values()), "uptime_ns": run.elapsed_ns()}
            self.record(run, run.span_id, "run_heartbeat", payload, {"level": "debug"})

    def _loss_events(self, losses: list[Loss], seq: int) -> list[tuple[int, bytes]]:
        new_id = lambda: self.ids.event_id(self.clock.now_ns())  # noqa: E731
        return reports(losses, seq, new_id, self.clock.now_ns(), self._project, RUNGS[self._spool.rung].name)

    def _after_fork_in_child(self) -> None:
        self._producer_id = self.ids.producer_id(self.clock.now_ns())
        self._spool.after_fork_in_child(self._producer_id)
        if self._drain is not None:
            self._drain.after_fork_in_child()
        self._tender = None
        self._stop = threading.Event()
        self._runs = {}
        self._watch.forget_runs()


_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


def _close_all() -> None:
    for recorder in list(_recorders):
        try:
            recorder.close()
        except FlightlogError:
            continue


def _after_fork_in_child() -> None:
    for recorder in list(_recorders):
        recorder._after_fork_in_child()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

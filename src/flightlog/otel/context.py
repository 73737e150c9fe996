"""One place in two tracers: a scope of ours is the current span of OpenTelemetry, and its current span is a scope of ours."""

from __future__ import annotations

from contextvars import Token
from typing import Any, NamedTuple

from opentelemetry import context as otel
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags
from opentelemetry.trace.propagation import get_current_span, set_span_in_context

from flightlog.recorder.context import Scope, own_scope
from flightlog.recorder.context import connect as keep_in_step

RUN_ATTRIBUTE, TASK_ATTRIBUTE = "flightlog.run.id", "flightlog.task.id"
_KEY = otel.create_key("flightlog-scope")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class _ScopeSpan(NonRecordingSpan):
    """A run or span of ours, as OpenTelemetry sees it: something to be the child of."""

    def __init__(self, context: SpanContext, scope: Scope) -> None:
        super().__init__(context)
        self.scope = scope


class _Attached(NamedTuple):
    token: Token[Context]
    before: Context


def connect() -> None:
    """Keep both tracers in step from now on: runs and spans that are entered later are parents of spans started inside them.

    Done by SpanProcessor and RunMarker. Doing it twice changes nothing.
    """
    keep_in_step(_Beside())


def scope_at(context: Context | None) -> Scope | None:
    """The scope that a span started in this context is inside of; None is the context of the calling code."""
    found = otel.get_value(_KEY, context)
    if isinstance(found, Scope):
        return found
    return own_scope() if context is None else None


class _Beside:
    """OpenTelemetry's context, for `flightlog.recorder.context`."""

    def enter(self, scope: Scope) -> _Attached | None:
        try:
            before = otel.get_current()
            inside = otel.set_value(_KEY, scope, before)
            span = _span_of(scope, get_current_span(before).get_span_context())
            return self.go(inside if span is None else set_span_in_context(span, inside))
        except Exception:
            return None

    def leave(self, entered: _Attached) -> None:
        try:
            # `otel.detach` writes an error to the log where a block is left in another context than it was entered in, as
            # generators do; here that is no error.
            otel._RUNTIME_CONTEXT.detach(entered.token)
        except Exception:
            otel.attach(entered.before)

    def innermost(self, scope: Scope | None) -> Scope | None:
        try:
            span = get_current_span()
            if type(span) is _ScopeSpan:
                return scope or span.scope
            context = span.get_span_context()
            return _scope_of(span, context, scope) if context.is_valid else scope
        except Exception:
            return scope

    def here(self) -> Context:
        return otel.get_current()

    def go(self, here: Context) -> _Attached:
        before = otel.get_current()
        return _Attached(otel.attach(here), before)


def _span_of(scope: Scope, outer: SpanContext) -> _ScopeSpan | None:
    """The scope as a span; None where its ids are such that OpenTelemetry has no room for them."""
    try:
        trace_id, span_id = int(scope.trace or "", 16), int(scope.span_id, 16)
    except ValueError:
        return None
    joins = outer.is_valid and outer.trace_id == trace_id
    flags, state = (outer.trace_flags, outer.trace_state) if joins else (_SAMPLED, None)
    context = SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags, trace_state=state)
    return _ScopeSpan(context, scope) if context.is_valid else None


def _scope_of(span: Span, context: SpanContext, scope: Scope | None) -> Scope:
    """A span of OpenTelemetry as a scope. Where no run of ours is around it, its run is the one that its event will have."""
    around = scope or scope_at(None)
    run = around.run if around is not None else None
    trace_id = f"{context.trace_id:032x}"
    return Scope(run, f"{context.span_id:016x}", trace_id, None if run is not None else _run_of(span) or trace_id)


def _run_of(span: Any) -> str | None:
    if not isinstance(span, ReadableSpan):
        return None
    named = (span.attributes or {}).get(RUN_ATTRIBUTE) or span.resource.attributes.get(RUN_ATTRIBUTE)
    return named if isinstance(named, str) else None

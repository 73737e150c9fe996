"""What went wrong in a span: from its exception event, `error.type` and the status."""

from __future__ import annotations

import re
from typing import Any

from flightlog.ingest.otlp.mapping.draft import Draft
from flightlog.ingest.otlp.mapping.values import text
from flightlog.ingest.otlp.model import STATUS_ERROR, STATUS_OK, Span

_is_class = re.compile(r"<class '([^']+)'>").fullmatch


def error_of(span: Span, draft: Draft, exception: dict[str, Any] | None) -> dict[str, Any] | None:
    """kind, message, stack and, where it says more than kind, type; None where nothing went wrong."""
    if span.status == STATUS_OK or (
        exception is None and span.status != STATUS_ERROR and "error_kind" not in draft.values
    ):
        return None
    raised = exception or {}
    error: dict[str, Any] = {}
    full = _unwrapped(text(raised.get("exception.type"))) or _unwrapped(draft.values.get("error_kind"))
    if full:
        error["kind"] = kind = plain_kind(full)
        if plain_kind(_unwrapped(draft.values.get("error_kind")) or full) == kind:
            draft.take("error_kind")
        if full != kind:
            error["type"] = full
    said = text(raised.get("exception.message")) or draft.take("error_message") or text(span.status_message)
    if said:
        if full:
            said = said.removeprefix(f"{full}: ").removeprefix(f"{error['kind']}: ")
        error["message"] = said
    if stack := text(raised.get("exception.stacktrace")):
        error["stack"] = stack
    return error or None


def plain_kind(name: str) -> str:
    """The class alone, where a name is a class in its module.

    >>> plain_kind("openai.NotFoundError"), plain_kind("rate_limit"), plain_kind("500"), plain_kind("a.timeout")
    ('NotFoundError', 'rate_limit', '500', 'a.timeout')
    """
    last = name.rpartition(".")[2]
    return last if last[:1].isupper() else name


def says_more(status_message: str, error: dict[str, Any] | None) -> bool:
    """Whether the status has words that the error has not."""
    if not status_message:
        return False
    if error is None:
        return True
    said = error.get("message")
    return status_message not in (said, f"{error.get('kind')}: {said}", f"{error.get('type')}: {said}")


def _unwrapped(name: str | None) -> str | None:
    """Some senders give Python's `<class '…'>`."""
    if name and name[0] == "<" and (found := _is_class(name)):
        return found[1]
    return name

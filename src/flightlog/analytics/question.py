"""A question, checked: what is counted, by what, of when, and which of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from flightlog.analytics.subjects import BUCKETS, SUBJECTS, Number, Subject
from flightlog.audit.filter import AuditFilter
from flightlog.clock import NS_PER_SECOND
from flightlog.errors import FilterInvalid
from flightlog.filters.compile import (
    audit_filter,
    event_filter,
    feedback_filter,
    generation_filter,
    narrowed_audits,
    narrowed_events,
    narrowed_feedback,
    narrowed_generations,
    narrowed_runs,
    run_filter,
)
from flightlog.journal.filter import INT64_MAX, EventFilter
from flightlog.runs.feedback_filter import FeedbackFilter
from flightlog.runs.filter import RunFilter
from flightlog.runs.generation_filter import GenerationFilter

TOP_DEFAULT, TOP_MAX = 10, 100
BUCKETS_MAX = 1_000
SINCE_NS = 7 * 86_400 * NS_PER_SECOND  # looked back where nobody says since when
MINUTE_NS = 60 * NS_PER_SECOND


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked. `since` (inclusive) and `until` (exclusive) are nanoseconds, whole minutes or whole buckets; `filter` is
    that of the subject's list, without times."""

    of: str
    measures: tuple[str, ...]
    by: str | None
    bucket: str | None
    since: int
    until: int
    sort: str
    top: int
    filter: Any

    @property
    def subject(self) -> Subject:
        return SUBJECTS[self.of]

    @property
    def width(self) -> int | None:
        """Nanoseconds of a bucket."""
        return None if self.bucket is None else BUCKETS[self.bucket]

    @property
    def numbers(self) -> list[Number]:
        """What has to be counted, and what it is sorted by first."""
        asked = self.subject.numbers(self.measures)
        by = next(one for one in sortable(self.subject) if one.name == self.sort)
        return [by, *(one for one in asked if one != by)]


def make_question(
    *,
    of: str | None = None,
    measures: Sequence[str] = (),
    by: str | None = None,
    bucket: str | None = None,
    since: int | None = None,
    until: int | None = None,
    project: str | None = None,
    q: str | None = None,
    sort: str | None = None,
    top: int | None = None,
    now_ns: int,
) -> Question:
    """The question that these words ask; what is not said has a default. Raises FilterInvalid, QueryInvalid."""
    subject = SUBJECTS[_one_of("of", of or "models", SUBJECTS)]
    for measure in measures:
        _one_of("measure", measure, subject.measures)
    wanted = _filter(subject.name, q or "", project, since, until, now_ns)
    first, last = _period(wanted.since, wanted.until, bucket, now_ns)
    known = [one.name for one in sortable(subject)]
    return Question(
        of=subject.name,
        measures=tuple(dict.fromkeys(measures)) or tuple(subject.measures),
        by=None if by is None else _one_of("by", by, subject.by),
        bucket=bucket,
        since=first,
        until=last,
        sort=known[0] if sort is None else _one_of("sort", {"cost_usd": "cost_nano_usd"}.get(sort, sort), known),
        top=_top(top),
        filter=replace(wanted, since=None, until=None),
    )


def sortable(subject: Subject) -> list[Number]:
    """The numbers that groups can be put in order by."""
    return [one for one in subject.numbers(tuple(subject.measures)) if one.kind != "spread"]


def _one_of(name: str, value: str, known: Any) -> str:
    if value in known:
        return value
    shown = ["cost_usd" if one == "cost_nano_usd" else one for one in known]
    raise FilterInvalid(reason=f"{name} is one of {', '.join(shown)}, not {value!r}")


def _top(top: int | None) -> int:
    if top is None:
        return TOP_DEFAULT
    if not 1 <= top <= TOP_MAX:
        raise FilterInvalid(reason=f"top is a number from 1 to {TOP_MAX}, not {top}")
    return top


def _period(since: int | None, until: int | None, bucket: str | None, now_ns: int) -> tuple[int, int]:
    """From when to when: taken to whole minutes, or to whole buckets."""
    if bucket is not None:
        _one_of("bucket", bucket, BUCKETS)
    width = MINUTE_NS if bucket is None else BUCKETS[bucket]
    last = now_ns if until is None else until
    first = max(0, last - SINCE_NS) if since is None else since
    if first > last:
        raise FilterInvalid(reason="since is later than until")
    first, last = max(0, first) // width * width, min(-(-last // width) * width, INT64_MAX)
    if bucket is not None and (last - first) // width > BUCKETS_MAX:
        raise FilterInvalid(
            reason=f"that is more than {BUCKETS_MAX:,} {bucket}s; ask for less time"
            + (", or for days" if bucket == "hour" else "")
        )
    return first, last


_FILTERS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Any]] = {
    "models": (generation_filter, narrowed_generations, GenerationFilter),
    "tools": (event_filter, narrowed_events, EventFilter),
    "events": (event_filter, narrowed_events, EventFilter),
    "decisions": (audit_filter, narrowed_audits, AuditFilter),
    "runs": (run_filter, narrowed_runs, RunFilter),
    "feedback": (feedback_filter, narrowed_feedback, FeedbackFilter),
}


def _filter(of: str, q: str, project: str | None, since: int | None, until: int | None, now_ns: int) -> Any:
    compile_, narrowed, plain = _FILTERS[of]
    wanted = compile_(q, now_ns) if q else plain()
    return narrowed(wanted, plain(project=project, since=since, until=until))

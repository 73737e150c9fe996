"""How long events are kept, as data: the rules of `retention.toml`, and the defaults from the settings.

The first rule that matches an event says how long it is kept, counted from when it was received. Where none does, the defaults
hold. A legal hold has the last word, and what Flightlog says of itself in the audit trail is never removed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from flightlog.clock import NS_PER_SECOND
from flightlog.config import Settings
from flightlog.errors import RetentionInvalid
from flightlog.events.envelope import LEVELS

FILE = "retention.toml"
RULES_MAX = 200
RUN_STATUSES = ("running", "succeeded", "failed", "canceled")
DEFAULT, DEFAULT_AUDIT = "default", "default for audit records"
CAP = "run_events_max"

# They say who did what and who was allowed to, and are wanted long after what was done.
AUDIT_TYPES = frozenset({"audit", "capability_decision"})
OWN_SOURCE = "flightlog"  # of the audit events of what Flightlog does to a store

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdwy])")
_SCORE = re.compile(r"score\s*(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)")
_FEEDBACK_KINDS = ("score", "thumb", "label", "comment", "correction")


class Mark(NamedTuple):
    """One piece of feedback on a run, or on something in it. `word` is a label's; `number` the score, or 1 and 0 for a thumb."""

    kind: str
    word: str | None
    number: float | None


class RunFact(NamedTuple):
    """What a rule can ask of a run. `last_event_at` is in nanoseconds since 1970."""

    status: str
    last_event_at: int
    marks: Sequence[Mark] = ()


class Facts(NamedTuple):
    """What a rule can ask of an event."""

    project: str
    type: str
    level: str
    status: str | None
    source: str | None
    actor: str | None
    name: str | None


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Holds for events that pass every field that is given; a tuple asks for any of its values, `*` stands for any text.
    `keep_ns` is None for what is never removed.
    """

    label: str
    keep_ns: int | None
    project: tuple[str, ...] = ()
    type: tuple[str, ...] = ()
    level: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    actor: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    run_status: tuple[str, ...] = ()
    feedback: tuple[str, ...] = ()

    @property
    def asks_run(self) -> bool:
        """Whether what it says of an event can change after the event came."""
        return bool(self.run_status or self.feedback)


_EVENT_FIELDS = ("project", "type", "level", "status", "source", "actor", "name")
FIELDS = (*_EVENT_FIELDS, "run_status", "feedback")


class Verdict(NamedTuple):
    """Which rule holds for an event, and how long it keeps it, in nanoseconds; None is for ever."""

    rule: str
    keep_ns: int | None


class Rules:
    """The rules in their order, and the defaults."""

    def __init__(self, rules: Sequence[Rule], settings: Settings) -> None:
        self.rules = tuple(rules)
        self.default_ns = _ns(settings.retention_seconds)
        self.audit_ns = _ns(settings.retention_audit_seconds)
        self.summaries_ns = _ns(settings.retention_summaries_seconds)
        self.asks_run = any(rule.asks_run for rule in rules)
        self._matchers = [_Matcher(rule) for rule in rules]
        kept = [rule.keep_ns for rule in rules] + [self.default_ns, self.audit_ns]
        self.shortest_ns = min((ns for ns in kept if ns is not None), default=None)

    @property
    def key(self) -> str:
        """Equal for equal rules."""
        return repr((self.rules, self.default_ns, self.audit_ns))

    def verdict(self, facts: Facts, run: RunFact | None) -> Verdict:
        """Which rule holds for this event."""
        if is_own_record(facts.type, facts.source):
            return Verdict("Flightlog's own audit records", None)
        for matcher in self._matchers:
            if matcher.matches(facts, run):
                return Verdict(matcher.rule.label, matcher.rule.keep_ns)
        if facts.type in AUDIT_TYPES:
            return Verdict(DEFAULT_AUDIT, self.audit_ns)
        return Verdict(DEFAULT, self.default_ns)


def is_own_record(type_: str, source: str | None) -> bool:
    """Whether it tells of what was done to the store itself: erasures, removals, holds, keys. Without these nobody could tell
    what is missing from what was lost.
    """
    return type_ == "audit" and source == OWN_SOURCE


class _Matcher:
    """A rule made ready to be asked many times."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._fields = [
            (at, _words(values)) for at, name in enumerate(_EVENT_FIELDS) if (values := getattr(rule, name))
        ]
        self._feedback = [_feedback_asked(text) for text in rule.feedback]

    def matches(self, facts: Facts, run: RunFact | None) -> bool:
        for at, (exact, pattern) in self._fields:
            value = facts[at]
            if value is None or (value not in exact and (pattern is None or not pattern.fullmatch(value))):
                return False
        if self.rule.run_status and (run is None or run.status not in self.rule.run_status):
            return False
        if self._feedback:
            return run is not None and any(asked(mark) for asked in self._feedback for mark in run.marks)
        return True


def _words(values: Iterable[str]) -> tuple[frozenset[str], re.Pattern[str] | None]:
    stars = [".*".join(map(re.escape, value.split("*"))) for value in values if "*" in value]
    return frozenset(values), re.compile("|".join(stars), re.DOTALL) if stars else None


def _feedback_asked(text: str) -> Any:
    """What is asked of one piece of feedback: `any`, a kind, `thumb:down`, `label:WORD`, `score<0.5`. Raises ValueError."""
    if text == "any":
        return lambda mark: True
    if score := _SCORE.fullmatch(text):
        sign, bound = score[1], float(score[2])
        compare = {"<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__}[sign]
        return lambda mark: mark.kind == "score" and mark.number is not None and compare(float(mark.number), bound)
    kind, colon, word = text.partition(":")
    if kind not in _FEEDBACK_KINDS or (colon and kind not in ("thumb", "label")):
        raise ValueError(
            f"{text!r} is none of any, thumb:up, thumb:down, label:WORD, score<NUMBER, {', '.join(_FEEDBACK_KINDS)}"
        )
    if not colon:
        return lambda mark: mark.kind == kind
    if kind == "label":
        return lambda mark: mark.kind == "label" and mark.word == word
    if word not in ("up", "down"):
        raise ValueError(f"{text!r}: a thumb is up or down")
    return lambda mark: mark.kind == "thumb" and mark.number == (1 if word == "up" else 0)


def age_ns(value: Any) -> int | None:
    """Nanoseconds for `"7d"`, `"36h"`, `"1y"`, a number of seconds, or None for `"forever"`. Raises ValueError.

    >>> age_ns("2d") == age_ns(172800), age_ns("forever")
    (True, None)
    """
    if value == "forever":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**33:
        return int(value * NS_PER_SECOND)
    found = _AGE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or float(found[1]) * _UNITS[found[2]] >= 2**33:
        raise ValueError(f'{value!r} is neither an age such as 36h, 7d or 1y, nor "forever"')
    return int(float(found[1]) * _UNITS[found[2]] * NS_PER_SECOND)


def _ns(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * NS_PER_SECOND)


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def load_rules(folder: Path, settings: Settings) -> Rules:
    """The rules in force. Raises RetentionInvalid where the file can't be read as rules: nothing is removed then."""
    path = folder / FILE
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Rules((), settings)
    except (OSError, UnicodeDecodeError) as error:
        raise RetentionInvalid(reason=f"{path}: {error}") from error
    return Rules(read_rules(text, str(path)), settings)


def read_rules(text: str, place: str = FILE) -> list[Rule]:
    """The rules in this text. Raises RetentionInvalid that names the rule and the field."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RetentionInvalid(reason=f"{place}: {error}") from error
    unknown = sorted(set(document) - {"rule"})
    if unknown:
        raise RetentionInvalid(reason=f"{place}: {unknown[0]!r} is not known; a file has [[rule]] tables alone")
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise RetentionInvalid(reason=f"{place}: rules are written as [[rule]], with two brackets")
    if len(tables) > RULES_MAX:
        raise RetentionInvalid(reason=f"{place}: there are {len(tables)} rules; at most {RULES_MAX} are read")
    return [_rule(table, number, place) for number, table in enumerate(tables, 1)]


def _rule(table: dict[str, Any], number: int, place: str) -> Rule:
    where = f"{place}: rule {number}"
    label = table.get("label", f"rule {number}")
    if not isinstance(label, str) or not 0 < len(label) <= 100:
        raise RetentionInvalid(reason=f"{where}: label is a text of at most 100 characters")
    unknown = sorted(set(table) - {"label", "keep", *FIELDS})
    if unknown:
        raise RetentionInvalid(reason=f"{where}: {unknown[0]!r} is not known; it has label, keep, {', '.join(FIELDS)}")
    if "keep" not in table:
        raise RetentionInvalid(reason=f'{where}: keep is missing; it is an age such as 7d, or "forever"')
    try:
        keep_ns = age_ns(table["keep"])
        given = {name: _values(name, table[name]) for name in FIELDS if name in table}
    except ValueError as error:
        raise RetentionInvalid(reason=f"{where}: {error}") from error
    if not given:
        raise RetentionInvalid(reason=f"{where}: it holds for everything; the setting retention_seconds is for that")
    return Rule(label=label, keep_ns=keep_ns, **given)


_CHOICES = {"level": LEVELS, "run_status": RUN_STATUSES}


def _values(name: str, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(each, str) and each for each in values):
        raise ValueError(f"{name} is a text or a list of texts")
    for each in values:
        if name in _CHOICES and each not in _CHOICES[name]:
            raise ValueError(f"{name} is one of {', '.join(_CHOICES[name])}, not {each!r}")
        if name == "feedback":
            _feedback_asked(each)
    return tuple(values)

"""The credential formats that redaction knows, as data: `RULES`."""

from __future__ import annotations

from flightlog.recorder.rules.contexts import CONTEXTS
from flightlog.recorder.rules.rule import Rule
from flightlog.recorder.rules.tokens import TOKENS

RULES: tuple[Rule, ...] = TOKENS + CONTEXTS

__all__ = ["RULES", "Rule"]

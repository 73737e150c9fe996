"""The rules as data: what the file may say, which rule holds, and for how long."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.clock import NS_PER_SECOND
from flightlog.config import Settings
from flightlog.errors import RetentionInvalid
from flightlog.retention.rules import Facts, Mark, Rules, RunFact, load_rules, read_rules

DAY = 24 * 3600 * NS_PER_SECOND

FILE = """
[[rule]]
label = "disliked runs"
feedback = ["thumb:down", "score<0.3"]
keep = "1y"

[[rule]]
label = "billing"
project = "billing"
keep = "forever"

[[rule]]
label = "noise"
level = "debug"
type = ["acme.*", "note"]
keep = "1d"

[[rule]]
label = "failures"
run_status = "failed"
keep = 2592000
"""


def fact(project: str = "default", type_: str = "note", level: str = "info", source: str | None = None) -> Facts:
    return Facts(project, type_, level, None, source, None, None)


DOWN, LOW, UP = Mark("thumb", "down", 0), Mark("score", None, 0.2), Mark("thumb", "up", 1)

# project, type, level, source, run's status, feedback → rule, days (None: for ever)
TRUTH = [
    ("default", "note", "info", None, "succeeded", [], "default", 7),
    ("default", "note", "info", None, "failed", [], "failures", 30),
    ("default", "note", "debug", None, "failed", [], "noise", 1),  # the first that matches, not the longest
    ("default", "note", "debug", None, "failed", [DOWN], "disliked runs", 365),
    ("default", "note", "debug", None, "failed", [UP], "noise", 1),
    ("default", "note", "info", None, "succeeded", [LOW], "disliked runs", 365),
    ("billing", "note", "debug", None, "succeeded", [], "billing", None),
    ("billing", "note", "debug", None, "succeeded", [UP, DOWN], "disliked runs", 365),
    ("default", "acme.tick", "debug", None, None, [], "noise", 1),
    ("default", "acmetick", "debug", None, None, [], "default", 7),
    ("default", "audit", "info", "app", None, [], "default for audit records", None),
    ("default", "capability_decision", "info", "app", "failed", [], "failures", 30),  # a rule may speak of them
    ("billing", "audit", "info", "flightlog", None, [DOWN], "Flightlog's own audit records", None),
]


@pytest.mark.parametrize(("project", "type_", "level", "source", "status", "marks", "rule", "days"), TRUTH)
def test_the_first_rule_that_matches_holds(
    project: str,
    type_: str,
    level: str,
    source: str | None,
    status: str | None,
    marks: list[Mark],
    rule: str,
    days: int | None,
) -> None:
    run = None if status is None else RunFact(status, 0, marks)
    found = Rules(read_rules(FILE), Settings()).verdict(fact(project, type_, level, source), run)
    assert found == (rule, None if days is None else days * DAY)


def test_without_a_file_the_settings_hold(tmp_path: Path) -> None:
    rules = load_rules(tmp_path, Settings(retention_seconds=3600.0, retention_audit_seconds=7200.0))
    assert rules.verdict(fact(), None) == ("default", 3600 * NS_PER_SECOND)
    assert rules.verdict(fact(type_="audit"), None) == ("default for audit records", 7200 * NS_PER_SECOND)
    assert load_rules(tmp_path, Settings(retention_seconds=None)).verdict(fact(), None) == ("default", None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[rule]]\nkeep = '7 days'\ntype = 'note'", "rule 1: '7 days' is neither an age"),
        ("[[rule]]\nkeep = -1\ntype = 'note'", "rule 1: -1 is neither an age"),
        ("[[rule]]\nkeep = true\ntype = 'note'", "rule 1: True is neither an age"),
        ("[[rule]]\ntype = 'note'", "rule 1: keep is missing"),
        ("[[rule]]\nkeep = '1d'", "rule 1: it holds for everything"),
        ("[[rule]]\nkeep = '1d'\nlevel = 'fatal'", "rule 1: level is one of debug, info, warn, error, not 'fatal'"),
        ("[[rule]]\nkeep = '1d'\nrun_status = 'ok'", "run_status is one of running, succeeded"),
        ("[[rule]]\nkeep = '1d'\nfeedback = 'thumb:sideways'", "a thumb is up or down"),
        ("[[rule]]\nkeep = '1d'\nfeedback = 'stars'", "'stars' is none of any, thumb:up"),
        ("[[rule]]\nkeep = '1d'\nprojects = 'a'", "rule 1: 'projects' is not known"),
        ("[[rule]]\nkeep = '1d'\ntype = []", "type is a text or a list of texts"),
        ("[rule]\nkeep = '1d'", "with two brackets"),
        ("keep = '1d'", "'keep' is not known; a file has"),
        ("[[rule", "retention.toml: "),
        ("[[rule]]\nkeep='1d'\ntype='a'\n" * 201, "at most 200"),
    ],
)
def test_a_file_that_says_something_else_is_refused_by_rule_and_field(text: str, reason: str) -> None:
    with pytest.raises(RetentionInvalid) as raised:
        read_rules(text)
    assert reason in raised.value.message


LEVELS, PROJECTS, STATUSES = (
    ["debug", "info", "warn", "error"],
    ["a", "b", "ab"],
    ["running", "succeeded", "failed", "canceled"],
)


@given(
    rules=st.lists(
        st.fixed_dictionaries(
            {"keep": st.integers(0, 30)},
            optional={
                "project": st.lists(st.sampled_from([*PROJECTS, "a*", "*"]), min_size=1, max_size=2),
                "level": st.lists(st.sampled_from(LEVELS), min_size=1, max_size=3),
                "run_status": st.lists(st.sampled_from(STATUSES), min_size=1, max_size=2),
            },
        ).filter(lambda rule: len(rule) > 1),
        max_size=5,
    ),
    project=st.sampled_from(PROJECTS),
    level=st.sampled_from(LEVELS),
    status=st.none() | st.sampled_from(STATUSES),
)
def test_rules_say_what_a_plain_reading_of_them_says(
    rules: list[dict[str, Any]], project: str, level: str, status: str | None
) -> None:
    text = "".join(
        "[[rule]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in rule.items()) for rule in rules
    )
    expected: tuple[str, int] = ("default", 7 * 86_400)
    for number, rule in enumerate(rules, 1):
        fits = [
            any(fnmatch(project, each) for each in rule.get("project", ["*"])),
            level in rule.get("level", LEVELS),
            "run_status" not in rule or status in rule["run_status"],
        ]
        if all(fits):
            expected = (f"rule {number}", rule["keep"])
            break
    run = None if status is None else RunFact(status, 0)
    found = Rules(read_rules(text), Settings()).verdict(fact(project, level=level), run)
    assert (found.rule, found.keep_ns) == (expected[0], expected[1] * NS_PER_SECOND)

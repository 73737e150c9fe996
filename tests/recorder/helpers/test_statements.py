"""Patches, errors, decisions and notes."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from flightlog.events.envelope import FLAG_INVALID
from flightlog.recorder.helpers.statements import action_digest

DIFF = """\
diff --git a/shop/login.py b/shop/login.py
--- a/shop/login.py
+++ b/shop/login.py
@@ -1,2 +1,2 @@
 def same_user(a: str, b: str) -> bool:
-    return a == b
+    return a.casefold() == b.casefold()
diff --git a/old.py b/new.py
similarity index 100%
rename from old.py
rename to new.py
"""


class Hostile:
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __str__


def test_a_patch_is_recorded_with_its_files_and_counts_and_the_application_is_its_pair(rec, only):
    with rec.run("r") as run:
        patch = run.patch_proposed(DIFF, author="agent-7")
        run.patch_applied(DIFF, correlation_id=patch)
    proposed, proposal = only("patch_proposed")
    applied, application = only("patch_applied")
    assert proposal == {
        "files": [
            {"path": "shop/login.py", "change": "modified", "added": 1, "deleted": 1},
            {"path": "new.py", "change": "renamed", "added": 0, "deleted": 0, "old_path": "old.py"},
        ],
        "added": 1,
        "deleted": 1,
        "diff": DIFF,
        "author": "agent-7",
    }
    assert proposed.name == "shop/login.py and 1 more"
    assert proposed.correlation_id == applied.correlation_id == patch
    assert (applied.status, applied.level) == ("ok", "info")
    assert application["files"] == proposal["files"]


def test_a_patch_that_could_not_be_applied_says_why(rec, only):
    with rec.run("r") as run:
        run.patch_applied(DIFF, error=RuntimeError("hunk 1 does not fit"))
    event, payload = only("patch_applied")
    assert (event.status, event.level) == ("error", "error")
    assert payload["error"]["message"] == "hunk 1 does not fit"


@pytest.mark.parametrize("odd", ["no diff at all", b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", None, 5, "", Hostile()])
def test_what_is_no_diff_is_recorded_and_raises_nothing(rec, odd):
    with rec.run("r") as run:
        assert run.patch_proposed(odd)
    assert len(rec.payloads("patch_proposed")) == 1


def test_an_exception_is_recorded_with_its_stack(rec, only):
    with rec.run("r") as run:
        try:
            raise ValueError("no such file")
        except ValueError as error:
            run.error(error, handled=True, attempt=2)
    event, payload = only("error")
    assert (event.level, event.name) == ("error", "ValueError")
    assert (payload["kind"], payload["message"], payload["handled"]) == ("ValueError", "no such file", True)
    assert "test_statements.py" in payload["stack"]
    assert payload["attempt"] == 2


def test_without_an_error_it_is_the_one_being_handled(rec, only):
    with rec.run("r") as run:
        try:
            raise KeyError("k")
        except KeyError:
            run.error(handled=False)
    assert (only("error")[1]["kind"], only("error")[1]["handled"]) == ("KeyError", False)


@pytest.mark.parametrize(
    ("odd", "kind", "message"),
    [
        ("it broke", None, "it broke"),
        ({"kind": "Timeout", "message": "too late"}, "Timeout", "too late"),
        ({"type": "overloaded", "detail": "try later"}, "overloaded", "try later"),
        ({"status": 500}, None, '{"status":500}'),
        (None, None, "an error that nobody described"),
        (42, "int", "42"),
        (Hostile(), "Hostile", "[unprintable Hostile]"),
    ],
)
def test_what_is_no_exception_is_recorded_too(rec, only, odd, kind, message):
    with rec.run("r") as run:
        run.error(odd)
    payload = only("error")[1]
    assert (payload.get("kind"), payload["message"]) == (kind, message)


def test_test_doubles_and_own_words_are_recorded(rec):
    with rec.run("r") as run:
        run.error(MagicMock())
        run.error(ValueError("inner"), message="could not log in")
    payload = rec.payloads("error")[1]
    assert (payload["message"], payload["original_message"]) == ("could not log in", "inner")


def test_a_request_and_its_decision_are_a_pair(rec):
    action = {"path": "shop/login.py", "write": True}
    with rec.run("r") as run:
        asked = run.request_capability("fs.write", resource=Path("shop/login.py"), reason="fix", action=action)
        run.decision(
            "fs.write",
            "granted",
            rule="edits-inside-repo",
            approver="ann@example.com",
            expires_at=datetime(2026, 3, 2, 10, tzinfo=UTC),
            action=dict(reversed(action.items())),
            correlation_id=asked,
        )
    request, decision = (event for event in rec.events if event.type == "capability_decision")
    first, second = rec.payloads("capability_decision")
    assert request.correlation_id == decision.correlation_id == asked
    assert (request.status, decision.status, decision.name) == ("requested", "granted", "fs.write")
    assert first["resource"] == "shop/login.py"
    assert first["action_digest"] == second["action_digest"]
    assert second["expires_at"] == "2026-03-02T10:00:00+00:00"
    assert "path" not in second


def test_true_and_false_are_decisions_and_other_words_are_flagged(rec):
    with rec.run("r") as run:
        run.decision("fs.write", True)
        run.decision("fs.write", False)
        run.decision("fs.write", "perhaps")
        run.decision(None, None)
    events = [event for event in rec.events if event.type == "capability_decision"]
    assert [event.status for event in events] == ["granted", "denied", "perhaps", "None"]
    assert [bool(event.flags & FLAG_INVALID) for event in events] == [False, False, True, True]


def test_the_digest_of_an_action_depends_on_all_of_it_and_not_on_the_order_of_its_keys():
    one = {"a": [1, 2], "b": "é😀"}
    assert action_digest(one) == action_digest({"b": "é😀", "a": [1, 2]})
    canonical = '{"a":[1,2],"b":"é😀"}'
    assert action_digest(one) == f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
    text = "x" * 2_000_000
    assert action_digest({"text": text + "a"}) != action_digest({"text": text + "b"})
    assert action_digest({1, 2}) == action_digest({2, 1})
    assert action_digest(Hostile()).startswith("sha256:")


def test_a_note_is_recorded(rec, only):
    with rec.run("r") as run:
        assert run.note("starting", step=1) == only("note")[0].event_id
        assert only("note")[1] == {"text": "starting", "step": 1}
        run.note(None)
        run.note("careful", level="warn")
    assert [event.level for event in rec.events if event.type == "note"] == ["info", "info", "warn"]


def test_helpers_work_on_recorders_and_spans_too(rec):
    rec.note("outside")
    with rec.run("r") as run, run.span("s") as span:
        rec.note("by the recorder")
        span.note("by the span")
        with span.tool_call("t"):
            pass
    outside, *inside = (event for event in rec.events if event.type in ("note", "tool_call", "tool_result"))
    assert outside.run_id is None
    assert {(event.run_id, event.span_id) for event in inside} == {(run.id, span.span_id)}

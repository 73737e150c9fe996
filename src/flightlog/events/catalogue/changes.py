"""Patches and tests: what was changed, and whether it holds."""

from __future__ import annotations

from typing import Any

from flightlog.events.catalogue.declare import (
    ERROR,
    FIX_SPAN,
    ROOT_SPAN,
    EventType,
    Schema,
    count,
    example,
    integer,
    many,
    one_of,
    payload,
    record,
    text,
)

_PATCH, _TEST = "6e21f4c09d8b7a53", "9d3b5e7f1a2c4068"
_DIFF = """\
--- a/shop/login.py
+++ b/shop/login.py
@@ -1,2 +1,2 @@
 def same_user(a: str, b: str) -> bool:
-    return a == b
+    return a.casefold() == b.casefold()
"""
_FILES = [{"path": "shop/login.py", "change": "modified", "added": 1, "deleted": 1}]

_FILE = record(
    "One file that the patch touches.",
    {
        "path": text("Where it is, from the root of the repository; for a deleted file, where it was."),
        "change": one_of("What happens to it.", "added", "modified", "deleted", "renamed"),
        "added": count("Lines added."),
        "deleted": count("Lines deleted."),
        "old_path": text("Where a renamed file was."),
    },
    needs=["path", "change"],
)


def _patch(type_: str) -> Schema:
    return payload(
        type_,
        {
            "files": many("The files that the patch touches.", _FILE),
            "added": count("Lines added, in all files."),
            "deleted": count("Lines deleted, in all files."),
            "diff": text("The patch as a unified diff."),
            "preview": text("The beginning of the diff, where the whole is not kept."),
            "error": ERROR,
        },
        needs=["files"],
    )


def _in_fix(**envelope: Any) -> dict[str, Any]:
    return {"span_id": FIX_SPAN, "parent_span_id": ROOT_SPAN, **envelope}


PATCH = (
    EventType(
        code="FR-EVT-030",
        type="patch_proposed",
        title="Patch proposed",
        description="A change to files is proposed, with the files that it touches and the size of the change.",
        schema=_patch("patch_proposed"),
        example=example(
            11,
            "patch_proposed",
            9_140,
            {"files": _FILES, "added": 1, "deleted": 1, "diff": _DIFF},
            **_in_fix(name="shop/login.py", correlation_id=_PATCH),
        ),
    ),
    EventType(
        code="FR-EVT-031",
        type="patch_applied",
        title="Patch applied",
        description="A change to files was made, or could not be made.",
        schema=_patch("patch_applied"),
        example=example(
            14,
            "patch_applied",
            40_777,
            {"files": _FILES, "added": 1, "deleted": 1},
            **_in_fix(name="shop/login.py", correlation_id=_PATCH, status="ok"),
        ),
        answers="patch_proposed",
        statuses=("ok", "error"),
    ),
)

TEST = (
    EventType(
        code="FR-EVT-040",
        type="test_started",
        title="Tests started",
        description="Tests are run: a command that runs them, or one test by its name.",
        schema=payload(
            "test_started",
            {
                "command": {"type": ["array", "string"], "description": "The command that runs the tests."},
                "name": text("The test or the set of tests."),
                "framework": text("What runs them, such as pytest."),
            },
            either=["command", "name"],
        ),
        example=example(
            17,
            "test_started",
            41_300,
            {"command": ["python", "-m", "pytest", "-q"], "name": "unit tests", "framework": "pytest"},
            **_in_fix(name="unit tests", correlation_id=_TEST),
        ),
    ),
    EventType(
        code="FR-EVT-041",
        type="test_result",
        title="Tests ended",
        description="How the tests went: the counts, the failures and the end of the output.",
        schema=payload(
            "test_result",
            {
                "total": count("Tests in all."),
                "passed": count("Tests that passed."),
                "failed": count("Tests that failed."),
                "errors": count("Tests that could not be run to their end."),
                "skipped": count("Tests that were left out."),
                "failures": many(
                    "The tests that failed.",
                    record("One of them.", {"name": text("The test."), "message": text("What it said.")}),
                ),
                "output_tail": text("The end of the output."),
                "exit_code": integer("What the command returned."),
            },
        ),
        example=example(
            18,
            "test_result",
            48_702,
            {
                "total": 42,
                "passed": 41,
                "failed": 0,
                "errors": 0,
                "skipped": 1,
                "failures": [],
                "output_tail": "41 passed, 1 skipped in 7.12s\n",
                "exit_code": 0,
            },
            **_in_fix(name="unit tests", correlation_id=_TEST, status="passed", duration_ns=7_401_882_145),
        ),
        answers="test_started",
        statuses=("passed", "failed", "error", "skipped"),
        timed=True,
    ),
)

"""Patches as people read them: each line once, with its sign and its number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flightlog.console.diffview import LINES_OPEN, files_of

TWO = """\
diff --git a/shop/login.py b/shop/login.py
index 1..2 100644
--- a/shop/login.py
+++ b/shop/login.py
@@ -1,3 +1,4 @@ def same_user():
 one
-two
+2
+2.5
 three
@@ -10,2 +11,1 @@
-ten
 eleven
diff --git a/new.py b/new.py
new file mode 100644
--- /dev/null
+++ b/new.py
@@ -0,0 +1 @@
+hello
"""


def test_files_have_their_names_what_became_of_them_and_their_counts() -> None:
    login, new = files_of(TWO)
    assert (login.path, login.change, login.added, login.deleted) == ("shop/login.py", "modified", 2, 2)
    assert (new.path, new.change, new.added, new.deleted) == ("new.py", "added", 1, 0)


def test_lines_have_the_numbers_that_the_hunks_tell() -> None:
    login, _ = files_of(TWO)
    numbered = [(line.sign, line.old, line.new, line.text) for line in login.lines if line.sign not in ("head", "hunk")]
    assert numbered == [
        ("same", "1", "1", " one"),
        ("del", "2", "", "-two"),
        ("add", "", "2", "+2"),
        ("add", "", "3", "+2.5"),
        ("same", "3", "4", " three"),
        ("del", "10", "", "-ten"),
        ("same", "11", "11", " eleven"),
    ]


def test_a_deleted_line_that_looks_like_a_header_is_a_deleted_line() -> None:
    [file] = files_of("--- a/q.sql\n+++ b/q.sql\n@@ -1,2 +1,2 @@\n--- old comment\n+++ new\n x\n")
    assert [line.sign for line in file.lines] == ["head", "head", "hunk", "del", "add", "same"]


def test_a_hunk_without_numbers_has_lines_without_numbers() -> None:
    [file] = files_of("--- a/x\n+++ b/x\n@@\n-a\n+b\n")
    assert [(line.sign, line.old, line.new) for line in file.lines[3:]] == [("del", "", ""), ("add", "", "")]


def test_a_long_file_is_closed() -> None:
    long = "--- a/x\n+++ b/x\n@@ -0,0 +1,200 @@\n" + "+line\n" * 200
    [file] = files_of(long)
    assert not file.open
    assert file.added == 200 > LINES_OPEN
    assert files_of(TWO)[0].open


def test_text_that_is_no_patch_is_shown_as_it_is() -> None:
    [file] = files_of("I changed\nthe login")
    assert [line.text for line in file.lines] == ["I changed", "the login"]
    assert files_of("") == []


lines = st.sampled_from(
    ["--- a/x", "+++ b/x", "@@ -1,2 +3,4 @@", "@@ -1 +1 @@", "@@", "@@ -0,0 +1,9 @@", "diff --git a/x b/x", " same", "+new",
     "-old", "", "\\ No newline at end of file", "rename from a", "rename to b", "Binary files a and b differ", "--- ", "\r"]
)  # fmt: skip


@given(st.lists(lines | st.text(max_size=12), max_size=30))
def test_no_line_of_any_text_is_lost_or_told_twice(given_lines: list[str]) -> None:
    text = "\n".join(given_lines)
    told = [line.text for file in files_of(text) for line in file.lines]
    assert [line for line in told if line.strip()] == [line for line in text.split("\n") if line.strip()]

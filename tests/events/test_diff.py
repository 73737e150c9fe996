"""Diff statistics, held against git's own count and against what people and models really paste."""

from __future__ import annotations

import difflib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flightlog.events.diff import FileChange, parse_diff

GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "core.autocrlf=false")


def test_text_that_is_no_diff_has_no_files() -> None:
    assert parse_diff("").files == []
    assert parse_diff("fixed the bug\n--- a rule\n+++ more\n").files == []


def test_a_file_modified_by_git() -> None:
    diff = parse_diff(
        "diff --git a/src/x.py b/src/x.py\nindex ad388c7..168a845 100644\n--- a/src/x.py\n+++ b/src/x.py\n"
        "@@ -1,3 +1,4 @@ def f():\n a\n-b\n+c\n+d\n e\n"
    )
    assert diff.files == [FileChange("src/x.py", "modified", 2, 1)]
    assert (diff.added, diff.deleted) == (2, 1)


def test_new_deleted_renamed_and_copied_files() -> None:
    diff = parse_diff(
        "diff --git a/new.txt b/new.txt\nnew file mode 100644\nindex 000..111\n--- /dev/null\n+++ b/new.txt\n"
        "@@ -0,0 +1,2 @@\n+a\n+b\n"
        "diff --git a/gone.txt b/gone.txt\ndeleted file mode 100644\nindex 111..000\n--- a/gone.txt\n+++ /dev/null\n"
        "@@ -1 +0,0 @@\n-a\n"
        "diff --git a/old name.py b/new name.py\nsimilarity index 90%\nrename from old name.py\nrename to new name.py\n"
        "--- a/old name.py\t\n+++ b/new name.py\t\n@@ -1 +1 @@\n-a\n+b\n"
        "diff --git a/one b/two\nsimilarity index 100%\ncopy from one\ncopy to two\n"
        "diff --git a/empty b/empty\nnew file mode 100644\nindex 0000000..e69de29\n"
        "diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n"
    )
    assert diff.files == [
        FileChange("new.txt", "added", 2, 0),
        FileChange("gone.txt", "deleted", 0, 1),
        FileChange("new name.py", "renamed", 1, 1, "old name.py"),
        FileChange("two", "added", 0, 0, "one"),
        FileChange("empty", "added", 0, 0),
        FileChange("run.sh", "modified", 0, 0),
    ]


def test_binary_files_have_no_lines() -> None:
    diff = parse_diff(
        "diff --git a/a.png b/a.png\nindex 1..2 100644\nBinary files a/a.png and b/a.png differ\n"
        "diff --git a/b.png b/b.png\nnew file mode 100644\nindex 0..2\nGIT binary patch\n"
        "literal 3\nKcmZ\n\nliteral 0\nHc\n\n"
        "Binary files old/c.bin and new/c.bin differ\n"
    )
    assert diff.files == [
        FileChange("a.png", "modified", 0, 0, None, True),
        FileChange("b.png", "added", 0, 0, None, True),
        FileChange("new/c.bin", "modified", 0, 0, "old/c.bin", True),
    ]


def test_quoted_paths_are_read_with_their_octal_escapes() -> None:
    diff = parse_diff(
        'diff --git "a/caf\\303\\251 \\"x\\".txt" "b/caf\\303\\251 \\"x\\".txt"\n'
        '--- "a/caf\\303\\251 \\"x\\".txt"\n+++ "b/caf\\303\\251 \\"x\\".txt"\n@@ -1 +1 @@\n-a\n+b\n'
        'diff --git "a/tab\\there" b/plain\nsimilarity index 100%\nrename from "tab\\there"\nrename to plain\n'
    )
    assert diff.files == [
        FileChange('café "x".txt', "modified", 1, 1),
        FileChange("plain", "renamed", 0, 0, "tab\there"),
    ]


def test_paths_without_prefixes_keep_their_first_folder() -> None:
    assert parse_diff("diff --git b/x b/x\n--- b/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n").files[0].path == "b/x"
    assert parse_diff("--- src/x.py\n+++ src/x.py\n@@ -1 +1 @@\n-a\n+b\n").files[0].path == "src/x.py"


def test_plain_unified_diffs_with_times() -> None:
    diff = parse_diff(
        "diff -ruN one/a.c two/a.c\n--- one/a.c\t2024-03-01 10:00:00.000000000 +0100\n"
        "+++ two/a.c\t2024-03-01 10:00:01.000000000 +0100\n@@ -1 +1 @@\n-a\n+b\n"
        "--- one/n.c\t1970-01-01 01:00:00.000000000 +0100\n+++ two/n.c\t2024-03-01 10:00:01 +0100\n@@ -0,0 +1 @@\n+b\n"
        "--- one/o.c\t2024-03-01 10:00:01 +0100\n+++ two/o.c\t1969-12-31 19:00:00.000 -0500\n@@ -1 +0,0 @@\n-b\n"
    )
    assert [(file.path, file.change) for file in diff.files] == [
        ("two/a.c", "modified"),
        ("two/n.c", "added"),
        ("two/o.c", "deleted"),
    ]


def test_an_old_file_from_1970_is_still_a_file() -> None:
    diff = parse_diff("--- x\t1970-01-01 00:00:01 +0000\n+++ x\t1970-01-01 00:00:01 +0000\n@@ -1 +1 @@\n-a\n+b\n")
    assert diff.files == [FileChange("x", "modified", 1, 1)]


def test_crlf_and_a_missing_last_newline() -> None:
    end = "\\ No newline at end of file"
    text = f"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n-b\n{end}\n+c\n{end}"
    assert parse_diff(text) == parse_diff(text.replace("\n", "\r\n"))
    assert parse_diff(text).files == [FileChange("x", "modified", 1, 1)]


def test_lines_that_look_like_headers_inside_a_hunk_are_lines() -> None:
    diff = parse_diff(
        "--- a/q.sql\n+++ b/q.sql\n@@ -1,3 +1,3 @@\n--- a comment\n+++ a counter\n -- kept\n--- b\n+-- c\n"
        "@@ -9 +9 @@\n--- x\n+++ y\n"
    )
    assert diff.files == [FileChange("q.sql", "modified", 3, 3)]


def test_a_hunk_that_ends_in_header_lookalikes_before_the_next_hunk() -> None:
    diff = parse_diff("--- a/q\n+++ b/q\n@@ -1,2 +1,2 @@\n a\n--- x\n+++ y\n@@ -9 +9 @@\n-a\n+b\n")
    assert diff.files == [FileChange("q", "modified", 2, 2)]


@pytest.mark.parametrize("header", ["@@ -1,9 +1,9 @@", "@@ -1 +1 @@", "@@ @@", "@@ ... @@", "@@ -1,3 +1,3"])
def test_a_models_wrong_line_counts_do_not_swallow_the_next_file(header: str) -> None:
    diff = parse_diff(f"--- a/x\n+++ b/x\n{header}\n a\n-b\n-c\n+d\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-e\n+f\n")
    assert diff.files == [FileChange("x", "modified", 1, 2), FileChange("y", "modified", 1, 1)]


def test_the_signature_of_a_mailed_patch_is_not_a_deleted_line() -> None:
    diff = parse_diff("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n-- \n2.39.5\n\n")
    assert diff.files == [FileChange("x", "modified", 1, 1)]


def test_a_deleted_line_that_looks_like_a_signature_is_a_line_while_the_hunk_is_owed_it() -> None:
    diff = parse_diff("--- a/x.md\n+++ b/x.md\n@@ -1,3 +1,2 @@\n+m\n+n\n-a\n-b\n-- \n")
    assert diff.files == [FileChange("x.md", "modified", 2, 3)]


def test_a_merge_commits_combined_diff() -> None:
    diff = parse_diff(
        "diff --cc src/x.py\nindex 1,2..3\n--- a/src/x.py\n+++ b/src/x.py\n@@@ -1,2 -1,2 +1,3 @@@\n  a\n +b\n++c\n- d\n"
    )
    assert diff.files == [FileChange("src/x.py", "modified", 2, 1)]


def test_the_payload_entry_says_only_what_there_is_to_say() -> None:
    plain, moved = FileChange("x", "modified", 1, 0), FileChange("y.png", "renamed", 0, 0, "x.png", True)
    assert plain.as_payload() == {"path": "x", "change": "modified", "added": 1, "deleted": 0}
    assert moved.as_payload() == {
        "path": "y.png",
        "change": "renamed",
        "added": 0,
        "deleted": 0,
        "old_path": "x.png",
        "binary": True,
    }


line = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12) | st.sampled_from(
    ["-- ", "--- a", "+++ b", "@@ -1 +1 @@", "diff --git a/x b/x", "\\ No", "", "+", "-"]
)


@given(st.lists(st.tuples(st.lists(line, max_size=12), st.lists(line, max_size=12)), min_size=1, max_size=4))
def test_the_counts_are_those_of_the_diff_that_was_written(sides: list[tuple[list[str], list[str]]]) -> None:
    text, added, deleted, names = [], 0, 0, []
    for number, (old, new) in enumerate(sides):
        name = f"dir/file {number}.txt"
        lines = list(difflib.unified_diff(old, new, f"a/{name}\t", f"b/{name}\t", n=2, lineterm=""))
        added += sum(entry.startswith("+") for entry in lines[2:])
        deleted += sum(entry.startswith("-") for entry in lines[2:])
        names += [name] if lines else []
        text += lines
    diff = parse_diff("\n".join(text) + "\n")
    assert [file.path for file in diff.files] == names
    assert (diff.added, diff.deleted) == (added, deleted)


PIECES = [
    "diff --git ",
    "a/x",
    "b/x",
    '"a/\\303',
    "--- ",
    "+++ ",
    "/dev/null",
    "@@ -1,2 +3 @@",
    "@@@ -1 -1 +1 @@@",
    "\n",
    "\r\n",
]
PIECES += [
    "+",
    "-",
    " ",
    "\\",
    "rename from ",
    "copy to ",
    "Binary files a and b differ",
    "\t1970-01-01",
    "\ud800",
    "diff --cc ",
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=40).map("".join))
def test_no_text_makes_it_raise_and_the_sums_agree(text: str) -> None:
    diff = parse_diff(text)
    assert diff.added == sum(file.added for file in diff.files)
    assert diff.deleted == sum(file.deleted for file in diff.files)
    assert all(file.path and file.added >= 0 and file.deleted >= 0 for file in diff.files)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one change of each kind, staged."""
    folder = tmp_path_factory.mktemp("repo")
    before = {
        "plain.txt": "a\nb\nc\n",
        "with space.txt": "a\n",
        "dir/moved.txt": "one\ntwo\nthree\nfour\nfive\n",
        "gone.txt": "x\ny\n",
        "caf\u00e9.txt": "1\n",
        'quo"te\t.txt': "1\n",
        "crlf.txt": "a\r\nb\r\n",
        "sql.sql": "-- one\n++ two\nthree\n",
        "b/nested.txt": "1\n",
        "emptied.txt": "a\n",
    }
    after = {
        "plain.txt": "a\nB\nc\nd",
        "with space.txt": "b\n",
        "dir/renamed file.txt": "one\ntwo\nthree\nfour\nFIVE\n",
        "new.txt": "n\n",
        "new-empty.txt": "",
        "caf\u00e9.txt": "2\n",
        'quo"te\t.txt': "2\n",
        "crlf.txt": "a\r\nc\r\n",
        "sql.sql": "three\n-- one\n++ two\n",
        "b/nested.txt": "2\n",
        "emptied.txt": "",
    }
    run(folder, "init", "-q")
    for files, binary in ((before, b"\0\1"), (after, b"\0\2")):
        for path in folder.rglob("*.txt"):
            path.unlink()
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(text.encode())
        (folder / "image.bin").write_bytes(binary)
        run(folder, "add", "-A")
        if files is before:
            run(folder, "commit", "-qm", "before")
    return folder


def run(folder: Path, *args: str) -> bytes:
    return subprocess.run([*GIT, *args], cwd=folder, check=True, capture_output=True).stdout


@pytest.mark.parametrize("options", [[], ["-M"], ["--no-prefix"], ["-U0", "-M"], ["--binary"], ["--no-renames"]])
@pytest.mark.parametrize("quoted", ["true", "false"])
def test_git_counts_the_same(repo: Path, options: list[str], quoted: str) -> None:
    config = ["-c", f"core.quotePath={quoted}"]
    text = run(repo, *config, "diff", "--cached", *options).decode()
    wanted = numstat(run(repo, *config, "diff", "--cached", "--numstat", "-z", *[o for o in options if o[:2] != "-U"]))
    found = {file.path: (file.added, file.deleted, file.old_path) for file in parse_diff(text).files}
    assert found == wanted
    letters = run(repo, "diff", "--cached", "--name-status", "-z", *[o for o in options if o[:2] != "-U"]).decode()
    assert sorted(file.change[0].upper() for file in parse_diff(text).files) == sorted(
        part[0] for part in letters.split("\0") if part in {"A", "M", "D"} or part[:2] == "R0"
    )


def numstat(data: bytes) -> dict[str, tuple[int, int, str | None]]:
    """What `git diff --numstat -z` says; of a renamed file the old and the new name follow in two more parts."""
    parts, found = data.decode().split("\0"), {}
    while parts and parts[0]:
        added, deleted, path = parts.pop(0).split("\t", 2)
        old = None if path else parts.pop(0)
        path = path or parts.pop(0)
        count = (0, 0) if added == "-" else (int(added), int(deleted))
        found[path] = (*count, old)
    return found

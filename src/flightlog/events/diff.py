"""What a patch touches: files and line counts, read from the text of a diff.

Takes what git writes (also without prefixes, with quoted paths, renames, binary files), what `diff -u` writes, and the
slightly broken diffs that models write. Text that is no diff has no files. Nothing here raises.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

Change = Literal["added", "modified", "deleted", "renamed"]


class FileChange(NamedTuple):
    """One file of a diff: what became of it and how many lines came and went."""

    path: str
    change: Change
    added: int
    deleted: int
    old_path: str | None = None
    binary: bool = False

    def as_payload(self) -> dict[str, Any]:
        """The entry in `files` of a patch_proposed or patch_applied payload."""
        entry: dict[str, Any] = {
            "path": self.path,
            "change": self.change,
            "added": self.added,
            "deleted": self.deleted,
        }
        if self.old_path is not None:
            entry["old_path"] = self.old_path
        if self.binary:
            entry["binary"] = True
        return entry


class Diff(NamedTuple):
    """The files of a diff in its order, and the lines of all of them."""

    files: list[FileChange]
    added: int
    deleted: int


def parse_diff(text: str) -> Diff:
    r"""The files and line counts of a diff.

    >>> diff = parse_diff("--- a/x.py\n+++ b/x.py\n@@ -1 +1,2 @@\n-old\n+new\n+more\n")
    >>> diff.files
    [FileChange(path='x.py', change='modified', added=2, deleted=1, old_path=None, binary=False)]
    >>> diff.added, diff.deleted
    (2, 1)
    """
    reader = _Reader(text.split("\n"))
    reader.read()
    files = [found for entry in reader.entries if (found := entry.finish()) is not None]
    return Diff(files, sum(file.added for file in files), sum(file.deleted for file in files))


_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_COMBINED = re.compile(r"(@{3,})(?: -\d+(?:,\d+)?)+ \+\d+(?:,\d+)? \1")
# The time that `diff -N` gives a file that is not there, in the zones where it is written.
_EPOCH = re.compile(r"\t(?:1970-01-01|1969-12-31)")
_MISSING = "/dev/null"
# A hunk whose header has no usable counts runs until the next header.
_UNCOUNTED = 1 << 62


class _Entry:
    """One file while its lines are being read."""

    def __init__(self, git_line: str | None = None) -> None:
        self.git_line = git_line
        self.minus: str | None = None
        self.plus: str | None = None
        self.moved_from: str | None = None
        self.moved_to: str | None = None
        self.renamed = self.created = self.removed = self.binary = False
        self.waits_for_names = git_line is not None
        self.minus_undated = self.plus_undated = False
        self.added = self.deleted = 0

    def finish(self) -> FileChange | None:
        """The file, or None when nothing names it."""
        old, new = self._paths()
        path = old if new in (None, _MISSING) else new
        if not path or path == _MISSING:
            return None
        if self.created or old == _MISSING:
            change: Change = "added"
        elif self.removed or new == _MISSING:
            change = "deleted"
        else:
            change = "renamed" if self.renamed else "modified"
        origin = old if old not in (path, _MISSING) and change != "deleted" else None
        return FileChange(path, change, self.added, self.deleted, origin, self.binary)

    def _paths(self) -> tuple[str | None, str | None]:
        if self.moved_from is not None and self.moved_to is not None:
            return self.moved_from, self.moved_to
        if self.minus is not None and self.plus is not None:
            bare = self.git_line is not None and _has_no_prefix(self.git_line)
            return (self.minus, self.plus) if bare else _strip_prefixes(self.minus, self.plus)
        return _git_line_paths(self.git_line) if self.git_line is not None else (None, None)


class _Reader:
    """Walks the lines once; a hunk's own counts say where it ends, so `--- x` inside a hunk is a deleted line."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.entries: list[_Entry] = []
        self._old_left = self._new_left = 0  # lines that the open hunk still has to bring
        self._columns = 0  # how many characters mark a line of the open hunk; 0 outside of hunks

    def read(self) -> None:
        for at, line in enumerate(self.lines):
            if self._columns == 0 or not self._hunk_line(at, line):
                self._header_line(at, line.rstrip("\r"))

    @property
    def _last(self) -> _Entry | None:
        return self.entries[-1] if self.entries else None

    def _add(self, entry: _Entry) -> _Entry:
        self.entries.append(entry)
        return entry

    def _hunk_line(self, at: int, line: str) -> bool:
        """Count one line of the open hunk; False where the hunk has ended and the line is for others to read."""
        entry, mark = self.entries[-1], line[:1]
        if self._hunk_ends(at, line, mark):
            self._columns = self._old_left = self._new_left = 0
            return False
        if self._columns > 1:
            marks = line[: self._columns]
            entry.added += "+" in marks
            entry.deleted += "-" in marks and "+" not in marks
            return True
        entry.added += mark == "+"
        entry.deleted += mark == "-"
        self._old_left -= mark not in ("+", "\\")
        self._new_left -= mark not in ("-", "\\")
        return True

    def _hunk_ends(self, at: int, line: str, mark: str) -> bool:
        if mark not in ("", "\r", " ", "+", "-", "\\"):
            return True
        # Models miscount: a file header is one, unless the counts say that exactly these two lines are still to come.
        if mark == "-" and (self._old_left, self._new_left) != (1, 1) and self._starts_file(at):
            return True
        due = self._old_left > 0 or self._new_left > 0
        return not due and (mark in ("", "\r") or line.rstrip("\r") == "-- ")  # "-- " opens the signature of a mail

    def _starts_file(self, at: int) -> bool:
        """Whether the three lines of a file header begin at line `at`."""
        return (
            self.lines[at].startswith("--- ")
            and self._line(at + 1).startswith("+++ ")
            and self._line(at + 2).startswith("@@")
        )

    def _line(self, at: int) -> str:
        return self.lines[at] if at < len(self.lines) else ""

    def _header_line(self, at: int, line: str) -> None:
        entry = self._last
        if line.startswith("diff --git "):
            self._add(_Entry(line[len("diff --git ") :]))
        elif line.startswith(("diff --cc ", "diff --combined ")):
            entry = self._add(_Entry())
            entry.moved_from = entry.moved_to = _unquote(line.split(" ", 2)[2])
            entry.waits_for_names = True
        elif line.startswith("@@") and entry is not None:
            self._hunk_header(entry, line)
        elif self._starts_file(at) or (entry is not None and entry.waits_for_names and line.startswith("--- ")):
            if entry is None or not entry.waits_for_names:
                entry = self._add(_Entry())
            entry.waits_for_names = False
            entry.minus, entry.minus_undated = _header_path(line)
            entry.plus, entry.plus_undated = _header_path(self._line(at + 1))
        else:
            self._extended(entry, line)

    def _hunk_header(self, entry: _Entry, line: str) -> None:
        combined = _COMBINED.match(line)
        self._columns = len(combined.group(1)) - 1 if combined else 1
        counted = _HUNK.match(line)
        if counted is None:
            self._old_left = self._new_left = _UNCOUNTED
            return
        self._old_left = int(counted.group(2) or 1)
        self._new_left = int(counted.group(4) or 1)
        if self._old_left == 0 and entry.minus_undated:
            entry.created = True
        if self._new_left == 0 and entry.plus_undated:
            entry.removed = True

    def _extended(self, entry: _Entry | None, line: str) -> None:
        """The lines git writes between `diff --git` and the hunks, and what diff writes for binary files."""
        binary = line.startswith("Binary files ") and line.endswith(" differ")
        if binary and (entry is None or not entry.waits_for_names):
            old, _, new = line[len("Binary files ") : -len(" differ")].partition(" and ")
            entry = self._add(_Entry())
            entry.minus, entry.plus, entry.binary = _unquote(old), _unquote(new), True
        elif entry is None or not entry.waits_for_names:
            return
        elif binary or line == "GIT binary patch":
            entry.binary, entry.waits_for_names = True, False
        elif line.startswith("new file mode "):
            entry.created = True
        elif line.startswith("deleted file mode "):
            entry.removed = True
        elif line.startswith(("rename from ", "copy from ")):
            entry.renamed = line.startswith("rename")
            entry.created = not entry.renamed
            entry.moved_from = _unquote(line.split(" from ", 1)[1])
        elif line.startswith(("rename to ", "copy to ")):
            entry.moved_to = _unquote(line.split(" to ", 1)[1])


def _header_path(line: str) -> tuple[str, bool]:
    """The path of a `---` or `+++` line, and whether its time is that of a file that is not there."""
    rest = line[4:].rstrip("\r")
    path, tab, _ = rest.partition("\t")
    if rest.startswith('"'):
        path = _unquote(rest)
    return path if tab else path.rstrip(), _EPOCH.search(rest) is not None


def _strip_prefixes(old: str, new: str) -> tuple[str, str]:
    """Take the a/ and b/ off (or git's i/ c/ w/ o/), where both sides have them."""

    def has(path: str) -> bool:
        return path == _MISSING or (len(path) > 2 and path[1] == "/" and path[0] in "abciow")

    if old == new or not (has(old) and has(new)):
        return old, new
    return tuple(path if path == _MISSING else path[2:] for path in (old, new))  # type: ignore[return-value]


def _has_no_prefix(git_line: str) -> bool:
    """Whether both paths of a `diff --git` line are the same, as with `--no-prefix`."""
    old, new = _git_line_halves(git_line)
    return old is not None and old == new


def _git_line_paths(git_line: str) -> tuple[str | None, str | None]:
    old, new = _git_line_halves(git_line)
    return _strip_prefixes(old, new) if old is not None and new is not None else (None, None)


def _git_line_halves(git_line: str) -> tuple[str | None, str | None]:
    """The two paths of `diff --git OLD NEW`. Paths may hold spaces, so the cut that makes them equal wins."""
    if git_line.startswith('"') or git_line.endswith('"'):
        found = re.match(r'("(?:[^"\\]|\\.)*"|\S+) ("(?:[^"\\]|\\.)*"|.+)$', git_line)
        return (_unquote(found.group(1)), _unquote(found.group(2))) if found else (None, None)
    middle = len(git_line) // 2
    old, new = git_line[:middle], git_line[middle + 1 :]
    if git_line[middle : middle + 1] == " " and (old == new or old[2:] == new[2:]):
        return old, new
    old, space, new = git_line.partition(" b/")
    if space:
        return old, "b/" + new
    old, space, new = git_line.partition(" ")
    return (old, new) if space else (None, None)


_ESCAPES = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}
_ESCAPE = re.compile(r'\\([0-7]{1,3}|[abtnvfr"\\])')


def _unquote(path: str) -> str:
    r"""A path as git quotes it (C strings, bytes outside ASCII in octal).

    >>> _unquote('"caf\\303\\251.txt"')
    'café.txt'
    """
    path = path.rstrip("\r")
    if not path.startswith('"'):
        return path
    end = path.rfind('"')
    body = path[1:end] if end > 0 else path[1:]
    out = bytearray()
    at = 0
    for found in _ESCAPE.finditer(body):
        out += body[at : found.start()].encode("utf-8", "replace")
        code = found.group(1)
        out.append(_ESCAPES[code] if code in _ESCAPES else int(code, 8) & 0xFF)
        at = found.end()
    out += body[at:].encode("utf-8", "replace")
    return out.decode("utf-8", "replace")

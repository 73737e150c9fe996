"""The text of a patch, file by file and line by line, as people read it: signs, and numbers where the hunks tell them.

Every line of the text is shown once and in order, also of text that is no diff. Nothing here raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

from flightlog.events.diff import parse_diff

_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
# Files with more lines are closed until they are asked for.
LINES_OPEN = 80
LINES_MAX = 1_500


class DiffLine(NamedTuple):
    """One line. `sign` is add, del, same, hunk or head; `old` and `new` are its numbers, empty where it has none."""

    sign: str
    old: str
    new: str
    text: str


@dataclass(frozen=True, kw_only=True)
class DiffFile:
    """One file of a patch."""

    path: Annotated[str, "Where it is; empty before the first header."]
    change: Annotated[str, "added, modified, deleted or renamed; may be empty."]
    old_path: Annotated[str, "Where a renamed file was; may be empty."] = ""
    added: Annotated[int, "Lines added."] = 0
    deleted: Annotated[int, "Lines deleted."] = 0
    lines: Annotated[list[DiffLine], "Its lines with those of its header."] = field(default_factory=list)
    open: Annotated[bool, "Whether it is short enough to be shown at once."] = True


class _File:
    def __init__(self) -> None:
        self.path = ""
        self.lines: list[DiffLine] = []
        self.old = self.new = self.old_left = self.new_left = 0
        self.counted = True
        self.in_hunk = False

    def add(self, line: str) -> None:
        """A line of this file, by what the hunk's counts leave to come."""
        hunk = _HUNK.match(line)
        if hunk or line.startswith("@@"):
            self.in_hunk = True
            self.counted = hunk is not None
            if hunk:
                self.old, self.new = int(hunk[1]), int(hunk[3])
                self.old_left, self.new_left = int(hunk[2] or 1), int(hunk[4] or 1)
            self.lines.append(DiffLine("hunk", "", "", line))
        elif self.in_hunk and line[:1] in ("+", "-", " ", ""):
            self._body(line)
        else:
            self.lines.append(DiffLine("head", "", "", line))

    def _body(self, line: str) -> None:
        mark = line[:1]
        old = str(self.old) if self.counted and mark != "+" else ""
        new = str(self.new) if self.counted and mark != "-" else ""
        self.old += mark != "+"
        self.new += mark != "-"
        self.old_left -= mark != "+"
        self.new_left -= mark != "-"
        self.lines.append(DiffLine({"+": "add", "-": "del"}.get(mark, "same"), old, new, line))

    @property
    def due(self) -> bool:
        """Whether the hunk still has lines to come, so that `--- x` is a deleted line."""
        return self.in_hunk and self.counted and (self.old_left > 0 or self.new_left > 0)


def files_of(text: str) -> list[DiffFile]:
    r"""The files of a patch.

    >>> [file] = files_of("--- a/x.py\n+++ b/x.py\n@@ -4 +4 @@\n-old\n+new\n")
    >>> file.path, file.added, file.deleted, file.lines[3], file.lines[4]
    ('x.py', 1, 1, DiffLine(sign='del', old='4', new='', text='-old'), DiffLine(sign='add', old='', new='4', text='+new'))
    """
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    found: list[_File] = []
    for at, line in enumerate(lines):
        if not found or _begins(lines, at, found[-1]):
            found.append(_File())
        found[-1].add(line)
    return _named(found, text)


def _begins(lines: list[str], at: int, current: _File) -> bool:
    line = lines[at]
    if line.startswith(("diff --git ", "diff --cc ", "diff --combined ")):
        return True
    if not line.startswith("--- ") or at + 1 >= len(lines) or not lines[at + 1].startswith("+++ "):
        return False
    # Under `diff --git` these two are part of the header that is open.
    return current.in_hunk and not (current.due and not (at + 2 < len(lines) and lines[at + 2].startswith("@@")))


def _named(found: list[_File], text: str) -> list[DiffFile]:
    parts = [part for part in found if any(line.sign != "head" or line.text.strip() for line in part.lines)]
    known = parse_diff(text).files
    heads = [part for part in parts if any(_names(line.text) for line in part.lines if line.sign == "head")]
    by_part = dict(zip(map(id, heads), known, strict=True)) if len(heads) == len(known) else {}
    made = []
    for part in parts:
        entry = by_part.get(id(part))
        made.append(
            DiffFile(
                path=entry.path if entry else _path(part),
                change=entry.change if entry else "",
                old_path=(entry.old_path or "") if entry else "",
                added=sum(line.sign == "add" for line in part.lines),
                deleted=sum(line.sign == "del" for line in part.lines),
                lines=part.lines,
                open=len(part.lines) <= LINES_OPEN,
            )
        )
    return made


def _names(line: str) -> bool:
    return line.startswith(("diff --", "--- ", "+++ ", "Binary files "))


def _path(part: _File) -> str:
    for line in part.lines:
        if line.sign == "head" and line.text.startswith("+++ "):
            return line.text[4:].split("\t")[0].removeprefix("b/")
    return ""

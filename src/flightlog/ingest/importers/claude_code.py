"""Claude Code sessions (`~/.claude/projects/*/*.jsonl`), one run per session.

The identity of an event is its session and the digest of the line it comes from, so the same line imported twice, from
whatever path, is the same event, and a file that has grown adds only its new part.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from flightlog.config import MIB
from flightlog.events.envelope import Event
from flightlog.ingest.importers.base import DEPTH_MAX, EventMaker, Problem, digest, text_in, time_in
from flightlog.ingest.importers.claude_blocks import read_content
from flightlog.ingest.importers.claude_session import Session
from flightlog.ingest.importers.claude_state import Line

SOURCE = "claude-code"
LINE_BYTES_MAX = 64 * MIB
# An answer whose last line is younger than this may still be growing.
SETTLE_SECONDS = 60.0
SESSION_CHARS_MAX = 100

# Claude Code's own bookkeeping; none of it is something that the model, a tool or a person did.
BOOKKEEPING = {"file-history-snapshot", "queue-operation", "progress", "attachment", "last-prompt", "mode", "pr-link"}
BOOKKEEPING |= {"custom-title", "ai-title", "agent-name", "agent-color", "agent-setting", "tag", "permission-mode"}


def read_claude_code(
    path: str | Path,
    *,
    project: str = "default",
    now_ns: int | None = None,
    settle_seconds: float = SETTLE_SECONDS,
    depth_max: int = DEPTH_MAX,
    on_bytes: Callable[[int], None] | None = None,
) -> Iterator[Event | Problem]:
    """The events of one session file, and the lines that could not be read. Raises OSError if the file can't be.

    `now_ns` is the present; with it, an answer that may still be growing is left for the next import.
    """
    with Path(path).open("rb") as file:
        lines = _lines(file, on_bytes)
        yield from read_lines(lines, project=project, now_ns=now_ns, settle_seconds=settle_seconds, depth_max=depth_max)


def read_lines(
    lines: Iterable[bytes | None],
    *,
    project: str = "default",
    now_ns: int | None = None,
    settle_seconds: float = SETTLE_SECONDS,
    depth_max: int = DEPTH_MAX,
) -> Iterator[Event | Problem]:
    """The same from the lines of a file; None stands for a line that was too long to be read."""
    reader = _Reader(project, depth_max)
    for number, raw in enumerate(lines, 1):
        yield from reader.line(number, raw)
    yield from reader.end(now_ns, settle_seconds)


def _lines(file: BinaryIO, on_bytes: Callable[[int], None] | None) -> Iterator[bytes | None]:
    while raw := file.readline(LINE_BYTES_MAX):
        size, too_long = len(raw), False
        while not raw.endswith(b"\n") and len(raw) == LINE_BYTES_MAX:
            raw, too_long = file.readline(LINE_BYTES_MAX), True
            size += len(raw)
        if on_bytes:
            on_bytes(size)
        yield None if too_long else raw


class _UnreadableError(Exception):
    """A line that can't be imported; the text says why."""


class _Reader:
    """Takes the lines in order and hands each to its session."""

    def __init__(self, project: str, depth_max: int) -> None:
        self._project = project
        self._depth_max = depth_max
        self._sessions: dict[str, Session] = {}
        self._last: Session | None = None
        self._seen: set[str] = set()
        self._early_summaries: list[tuple[Line, str]] = []

    def line(self, number: int, raw: bytes | None) -> Iterator[Event | Problem]:
        """The events of one line, or the problem with it. A line that was there before, byte for byte, adds nothing."""
        try:
            if raw is None:
                raise _UnreadableError(f"the line is longer than {LINE_BYTES_MAX} bytes")
            raw = (raw.removeprefix(BOM_UTF8) if number == 1 else raw).strip()
            key = digest(raw)[:32]
            if raw and key not in self._seen:
                self._seen.add(key)
                yield from self._read(number, key, _entry(raw))
        except _UnreadableError as error:
            yield Problem(f"line {number}", str(error))

    def end(self, now_ns: int | None, settle_seconds: float) -> Iterator[Event | Problem]:
        """What is left to say at the end of the file."""
        for line, _ in self._early_summaries:
            yield Problem(f"line {line.number}", "the summary belongs to no session of this file")
        for session in self._sessions.values():
            yield from session.end(now_ns, settle_seconds)

    def _read(self, number: int, key: str, entry: dict[str, Any]) -> Iterator[Event | Problem]:
        kind = entry.get("type")
        if kind in BOOKKEEPING:
            return
        if kind == "summary":
            yield from self._summary(number, key, entry)
            return
        if kind not in ("user", "assistant", "system"):
            raise _UnreadableError(
                f"the line type {kind[:40]!r} is not known" if isinstance(kind, str) else "it has no type"
            )
        message = entry.get("message")
        if kind != "system" and not isinstance(message, dict):
            raise _UnreadableError("it has no message")
        content = read_content(message) if isinstance(message, dict) else None
        if kind != "system" and content is None:
            raise _UnreadableError("its message has no content")
        session = self._session(entry)
        at_ns = time_in(entry, "timestamp")
        if at_ns is None:
            at_ns = session.last_ns
            if not at_ns:
                raise _UnreadableError("it has no time, and nothing before it has one")
            yield Problem(f"line {number}", "it has no time; that of the line before it was taken")
        self._sessions[session.session_id] = self._last = session
        line = Line(number, key, entry, at_ns)
        if content is not None and isinstance(message, dict) and kind != "system":
            for index in content.strangers:
                yield Problem(f"line {number}", f"content[{index}] is not an object")
            if not content.blocks:
                return
            yield from session.user(line, content) if kind == "user" else session.assistant(line, message, content)
        else:
            yield from session.system(line)
        yield from self._place_early_summaries(session, at_ns)

    def _session(self, entry: dict[str, Any]) -> Session:
        session_id = text_in(entry, "sessionId")
        if session_id is None:
            if self._last is None:
                raise _UnreadableError("it has no sessionId")
            return self._last
        found = self._sessions.get(session_id)
        if found is None:
            maker = EventMaker(
                run_id_of(session_id), source=SOURCE, project=self._project, actor=SOURCE, depth_max=self._depth_max
            )
            found = Session(session_id, maker)
        return found

    def _summary(self, number: int, key: str, entry: dict[str, Any]) -> Iterator[Event]:
        """A summary names the last line of its session by uuid; at the top of a file it is about an earlier session."""
        text = text_in(entry, "summary")
        if text is None:
            raise _UnreadableError("it has no summary")
        leaf = entry.get("leafUuid")
        session = next((one for one in self._sessions.values() if one.knows(leaf)), self._last)
        if session is None:
            self._early_summaries.append((Line(number, key, entry, 0), text))
        else:
            yield from session.summary(Line(number, key, entry, session.last_ns), text)

    def _place_early_summaries(self, session: Session, at_ns: int) -> Iterator[Event]:
        for line, text in self._early_summaries:
            yield from session.summary(line._replace(at_ns=at_ns), text)
        self._early_summaries.clear()


def _entry(raw: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(raw.decode("utf-8", "replace"))
    except RecursionError:
        raise _UnreadableError("it is nested too deeply") from None
    except ValueError:
        raise _UnreadableError("it is not valid JSON") from None
    if not isinstance(entry, dict):
        raise _UnreadableError("it is not a JSON object")
    return entry


def run_id_of(session_id: str) -> str:
    """The run that a session becomes.

    >>> run_id_of("b1946ac9-2f4c-4c8e-9d5b-0c7f3a1d2e4f")
    'claude-code-b1946ac9-2f4c-4c8e-9d5b-0c7f3a1d2e4f'
    """
    plain = session_id.isascii() and all(char.isalnum() or char in "-_." for char in session_id)
    kept = session_id if plain and len(session_id) <= SESSION_CHARS_MAX else digest(session_id)[:32]
    return f"claude-code-{kept}"

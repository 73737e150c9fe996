"""What wrote a file, told by how it begins."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from flightlog.errors import ImportInvalid
from flightlog.ingest.importers.framing import REPEATED_1
from flightlog.ingest.importers.unpacking import DAMAGED, unpacked

HEAD_BYTES = 256 * 1024
LINES_MAX = 20  # that are looked at, where the first ones are broken

_OTLP_KEYS = frozenset({"resourceSpans", "resourceLogs", "resourceMetrics"})
_OWN_KEYS = frozenset({"event_id", "type", "created_at"})
_CLAUDE_KEYS = frozenset({"sessionId", "parentUuid", "leafUuid"})
_BEGINNINGS = {
    "otlp": re.compile(rb'\A\s*\{\s*"resource(?:Spans|Logs|Metrics)"\s*:'),
    "jsonl": re.compile(rb'\A\s*\{\s*"event_id"\s*:\s*"'),
    "swe-agent": re.compile(rb'\A\s*\{\s*"(?:environment|trajectory|history|info|replay_config)"\s*:'),
}
ENDINGS = {".traj": "swe-agent"}


def detect(path: Path) -> str:
    """The format of a file. Raises OSError where it can't be read, ImportInvalid where nothing is recognised in it."""
    if path.suffix in ENDINGS:
        return ENDINGS[path.suffix]
    with unpacked(path) as file:
        try:
            head: bytes = file.peek(HEAD_BYTES)[:HEAD_BYTES]  # type: ignore[attr-defined]
        except DAMAGED as error:
            raise OSError(f"it is damaged from the start: {error}") from error
    head = head.removeprefix(b"\xef\xbb\xbf")
    for line in head.split(b"\n")[:LINES_MAX]:
        if (found := _of_object(line)) is not None:
            return found
    for name, beginning in _BEGINNINGS.items():
        if beginning.search(head):
            return name
    if head[:1] and _may_be_protobuf(head):
        return "otlp"
    reason = "nothing in it is known; name the format before the file, or use another file"
    raise ImportInvalid(path=str(path), format="any format", reason=reason)


def _of_object(line: bytes) -> str | None:
    """What an object on one line belongs to."""
    try:
        keys: Any = msgspec.json.decode(line, type=dict[str, msgspec.Raw]).keys()
    except (ValueError, RecursionError):
        return None
    if keys & _OTLP_KEYS:
        return "otlp"
    if keys >= _OWN_KEYS:
        return "jsonl"
    if keys & _CLAUDE_KEYS:
        return "claude-code"
    return "swe-agent" if "trajectory" in keys else None


def _may_be_protobuf(head: bytes) -> bool:
    """A request begins with field 1; so does one behind a varint, or behind four bytes that begin with zeros."""
    if head[0] == REPEATED_1 or (head[:1] == b"\0" and head[4:5] == bytes([REPEATED_1])):
        return b"\0" in head or not head.isascii()
    after = next((at for at, byte in enumerate(head[:5]) if byte < 0x80), 5) + 1
    return head[after : after + 1] == bytes([REPEATED_1]) and (b"\0" in head or not head.isascii())

"""The content of Claude Code's messages, turned into what our payloads hold."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from flightlog.events.diff import parse_diff
from flightlog.ingest.importers.base import COUNT_MAX, amount_in, count_in, dict_in, list_in, text_in

_USAGE_KEYS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_EXIT_CODE = re.compile(r"(?:Error: )?(?:Command failed with )?[Ee]xit code:? (-?\d{1,9})\b")
# A tool says these about itself in other words too; a whole copy of the edited file is not kept.
_COPIES = ("originalFile", "original_file", "updated_file")


class Content(NamedTuple):
    """The blocks of a message that are objects, and how many things among them were not."""

    blocks: list[dict[str, Any]]
    strangers: list[int]


def read_content(message: dict[str, Any]) -> Content | None:
    """The content of a message: text counts as one text block. None when there is no content."""
    content = message.get("content")
    if isinstance(content, str):
        return Content([{"type": "text", "text": content}], [])
    if not isinstance(content, list):
        return None
    return Content(
        [block for block in content if isinstance(block, dict)],
        [index for index, block in enumerate(content) if not isinstance(block, dict)],
    )


def plain_text(blocks: list[dict[str, Any]]) -> str:
    """The text of these blocks; an image or a document is a note in brackets."""
    parts = []
    for block in blocks:
        if block.get("type") == "text":
            parts.append(text_in(block, "text") or "")
        else:
            source = dict_in(block, "source")
            size = len(text_in(source, "data") or "")
            kind = text_in(source, "media_type") or ""
            parts.append(f"[{text_in(block, 'type') or 'block'} {kind} {size} characters]".replace("  ", " "))
    return "\n".join(parts)


def message_content(blocks: list[dict[str, Any]]) -> Any:
    """The content for a chat message: text where all blocks are text, else the blocks as they are."""
    return plain_text(blocks) if all(block.get("type") == "text" for block in blocks) else blocks


def usage_of(usage: dict[str, int]) -> dict[str, int]:
    """Anthropic's counts in our terms: their input_tokens leaves cached tokens out, ours holds all of them.

    >>> usage_of({"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 100})
    {'input_tokens': 105, 'output_tokens': 7, 'cached_input_tokens': 100}
    """
    read, written = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
    made = {
        "input_tokens": min(usage.get("input_tokens", 0) + read + written, COUNT_MAX),
        "output_tokens": usage.get("output_tokens", 0),
        "cached_input_tokens": read,
    }
    return made | {"cache_creation_input_tokens": written} if written else made


def raw_usage(message: dict[str, Any]) -> dict[str, int]:
    """The counts that a line carries, those that are whole numbers."""
    usage = dict_in(message, "usage")
    return {key: count for key in _USAGE_KEYS if (count := count_in(usage, key)) is not None}


class Answer(NamedTuple):
    """What the blocks of one model answer say."""

    text: str
    thinking: str
    calls: list[dict[str, Any]]
    others: list[dict[str, Any]]

    def as_message(self) -> dict[str, Any]:
        """The message of the llm_response."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.thinking:
            message["thinking"] = self.thinking
        if self.calls:
            message["tool_calls"] = self.calls
        if self.others:
            message["other_content"] = self.others
        return message


def read_answer(blocks: list[dict[str, Any]]) -> Answer:
    """The blocks sorted by kind. A text that a later line repeats or continues is kept once, in its longest form."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: dict[Any, dict[str, Any]] = {}
    others = []
    for block in blocks:
        kind = block.get("type")
        if kind == "text":
            _grow(texts, text_in(block, "text") or "")
        elif kind == "thinking":
            _grow(thoughts, text_in(block, "thinking") or "")
        elif kind == "tool_use":
            calls.setdefault(text_in(block, "id") or len(calls), tool_use(block))
        else:
            others.append(block)
    return Answer("\n".join(texts), "\n".join(thoughts), list(calls.values()), others)


def _grow(texts: list[str], text: str) -> None:
    if texts and text.startswith(texts[-1]):
        texts[-1] = text
    elif text and text not in texts:
        texts.append(text)


def tool_use(block: dict[str, Any]) -> dict[str, Any]:
    """A tool_use block as {id, name, arguments}."""
    return {
        "id": text_in(block, "id"),
        "name": text_in(block, "name") or "unknown",
        "arguments": block.get("input", {}),
    }


class ToolOutcome(NamedTuple):
    """What a tool gave back."""

    payload: dict[str, Any]
    text: str
    failed: bool
    duration_ns: int | None


def read_tool_result(block: dict[str, Any], detail: Any) -> ToolOutcome:
    """A tool_result block and what the line says about it beside the conversation (`toolUseResult`)."""
    content = block.get("content")
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    text = content if isinstance(content, str) else plain_text(parts)
    failed = block.get("is_error") is True
    payload: dict[str, Any] = {"result": message_content(parts) if isinstance(content, list) else content}
    if call_id := text_in(block, "tool_use_id"):
        payload["call_id"] = call_id
    if failed:
        payload["error"] = {"kind": "ToolError", "message": text[:2_000]}
    if (found := _EXIT_CODE.match(text)) and failed:
        payload["exit_code"] = int(found.group(1))
    if kept := _detail(detail, text):
        payload["detail"] = kept
    took_ms = amount_in(detail, "durationMs") or amount_in(detail, "totalDurationMs")
    return ToolOutcome(payload, text, failed, int(min(took_ms, 1e11) * 1e6) if took_ms is not None else None)


def _detail(detail: Any, text: str) -> Any:
    """The structured result without what only repeats the text, and without copies of whole files."""
    if isinstance(detail, dict):
        return {
            key: value
            for key, value in detail.items()
            if key not in _COPIES and not (isinstance(value, str) and (not value or value.strip() in text))
        }
    return detail if isinstance(detail, list) else None


def read_patch(detail: Any) -> dict[str, Any] | None:
    """The payload of a patch_applied event, when a tool's structured result holds the patch it made."""
    path = text_in(detail, "filePath") or text_in(detail, "notebook_path")
    if path is None or not isinstance(detail.get("structuredPatch"), list):
        return None
    created = detail.get("type") == "create"
    hunks = [hunk for hunk in list_in(detail, "structuredPatch") if isinstance(hunk, dict)]
    lines = [line for hunk in hunks for line in _hunk_lines(hunk)]
    if created and not lines:
        lines = _new_file_lines(text_in(detail, "content") or "")
    if not lines and not created:
        return None
    name = _quoted(path)
    old = "/dev/null" if created else f"a/{name}"
    text = "\n".join([f"--- {old}", f"+++ b/{name}", *lines]) + "\n"
    diff = parse_diff(text)
    return {
        "files": [
            {
                "path": path,
                "change": "added" if created else "modified",
                "added": diff.added,
                "deleted": diff.deleted,
            }
        ],
        "added": diff.added,
        "deleted": diff.deleted,
        "diff": text,
    }


def _hunk_lines(hunk: dict[str, Any]) -> list[str]:
    """One hunk; its header counts what is really there, so that the diff is a good one."""
    lines = [line.replace("\n", "") for line in list_in(hunk, "lines") if isinstance(line, str)]
    gone = sum(line[:1] in ("-", " ", "") for line in lines)
    come = sum(line[:1] in ("+", " ", "") for line in lines)
    start = (count_in(hunk, "oldStart") or 0, count_in(hunk, "newStart") or 0)
    return [f"@@ -{start[0]},{gone} +{start[1]},{come} @@", *lines]


def _new_file_lines(content: str) -> list[str]:
    if not content:
        return []
    lines = content.split("\n")
    end = [] if lines[-1] else lines[-1:]
    body = [f"+{line}" for line in (lines[:-1] if end else lines)]
    return [f"@@ -0,0 +1,{len(body)} @@", *body, *([] if end else ["\\ No newline at end of file"])]


def _quoted(path: str) -> str:
    return path.replace("\n", "?").replace("\r", "?").replace("\t", " ")


class Notice(NamedTuple):
    """A line of type `system` as an event: a note, or an error."""

    type: str
    subtype: str
    level: str
    payload: dict[str, Any]


_LEVELS = {"warning": "warn", "warn": "warn", "error": "error", "debug": "debug"}
_FRAME = {"type", "content", "subtype", "level", "uuid", "parentUuid", "sessionId", "timestamp", "cwd", "version"}
_FRAME |= {"gitBranch", "userType", "isSidechain", "isMeta", "slug", "entrypoint", "logicalParentUuid"}


def read_notice(entry: dict[str, Any]) -> Notice:
    """What Claude Code says about itself in a `system` line; facts beside the text are kept under `detail`."""
    subtype = text_in(entry, "subtype") or "system"
    text = text_in(entry, "content") or subtype
    level = _LEVELS.get(str(entry.get("level")), "info")
    payload: dict[str, Any] = {"subtype": subtype}
    if detail := {key: value for key, value in entry.items() if key not in _FRAME}:
        payload["detail"] = detail
    if level == "error":
        return Notice("error", subtype, level, {"message": text, "kind": subtype, "handled": True} | payload)
    return Notice("note", subtype, level, {"text": text} | payload)

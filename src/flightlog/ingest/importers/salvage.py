"""What can still be read of a trajectory file whose JSON is cut off or damaged.

SWE-agent writes `trajectory` first, then `history` and `info`. Complete elements of the two lists are kept; where one
is damaged, reading goes on at the next text that looks like the start of an element.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from flightlog.ingest.importers.base import Problem

RESYNC_TRIES_MAX = 200  # damaged elements of one list before the rest of it is given up

_decoder = json.JSONDecoder()
_BETWEEN = re.compile(r"[ \t\r\n,]*")
_KEY = re.compile(r'[ \t\r\n,]*("(?:[^"\\]|\\.)*")[ \t\r\n]*:[ \t\r\n]*')
# How an element of each list can begin; inside a JSON text the quotes would be escaped.
_LISTS = {
    "trajectory": re.compile(
        r'\{\s*"(?:action|observation|response|state|thought|execution_time|query|extra_info)"\s*:'
    ),
    "history": re.compile(r'\{\s*"(?:role|content|message_type|agent|is_demo|thought|action)"\s*:'),
}
_HISTORY = re.compile(r'"history"\s*:\s*\[')
_OBJECTS = ("info", "replay_config")


class Salvaged(NamedTuple):
    """The document as far as it could be read. `whole` is False where something is missing."""

    document: dict[str, Any] | None
    problems: list[Problem]
    whole: bool


def read_document(text: str) -> Salvaged:
    """The JSON object in this text, or those parts of a trajectory that are complete. Never raises."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return _salvage(text)
    if isinstance(document, dict):
        return Salvaged(document, [], True)
    return Salvaged(None, [Problem("file", f"a trajectory is a JSON object, this is a {_kind(document)}")], False)


def _salvage(text: str) -> Salvaged:
    document: dict[str, Any] = {}
    problems: list[Problem] = []
    at = _head(text, document)
    for name, start in _LISTS.items():
        found = re.compile(rf'"{name}"\s*:\s*\[').search(text, at)
        if found:
            document[name], at, damaged = _elements(text, found.end(), start)
            problems += [Problem(f"{name}[{index}]", reason) for index, reason in damaged]
    for name in _OBJECTS:
        found = re.compile(rf'"{name}"\s*:\s*(?=\{{)').search(text, at)
        if found:
            document[name], at = _object(text, found.end())
    if not problems:
        problems.append(Problem("end of file", "the JSON is cut off or damaged; what is complete was read"))
    return Salvaged(document or None, problems, False)


def _head(text: str, document: dict[str, Any]) -> int:
    """Read the plain values that stand before the first list."""
    at = text.find("{") + 1
    while at and (key := _KEY.match(text, at)) and text[key.end() : key.end() + 1] not in ("[", "{", ""):
        try:
            document[json.loads(key.group(1))], at = _decoder.raw_decode(text, key.end())
        except (ValueError, RecursionError):
            break
    return at


def _elements(text: str, at: int, start: re.Pattern[str]) -> tuple[list[Any], int, list[tuple[int, str]]]:
    """The complete elements of the list that begins at `at`, where it ends, and which elements are damaged."""
    elements: list[Any] = []
    damaged: list[tuple[int, str]] = []
    # The list that follows in the file is not looked into for this one's elements.
    following = _HISTORY.search(text, at) if start is _LISTS["trajectory"] else None
    limit = following.start() if following else len(text)
    while len(damaged) < RESYNC_TRIES_MAX:
        at = _after(_BETWEEN, text, at)
        if at >= len(text) or text.startswith("]", at):
            return elements, at, damaged
        try:
            element, at = _decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            found = start.search(text, at + 1, limit)
            damaged.append((len(elements) + len(damaged), "damaged; reading went on behind it" if found else "cut off"))
            if not found:
                break
            at = found.start()
        else:
            elements.append(element)
    return elements, at, damaged


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _object(text: str, at: int) -> tuple[dict[str, Any], int]:
    """The object that begins at `at`, or those of its entries that are complete."""
    try:
        value, end = _decoder.raw_decode(text, at)
    except (ValueError, RecursionError):
        pass
    else:
        return value, end
    entries: dict[str, Any] = {}
    at += 1
    while key := _KEY.match(text, at):
        try:
            entries[json.loads(key.group(1))], at = _decoder.raw_decode(text, key.end())
        except (ValueError, RecursionError):
            break
    return entries, at


def _kind(value: Any) -> str:
    return {list: "list", str: "text", bool: "boolean", type(None): "null"}.get(type(value), "number")

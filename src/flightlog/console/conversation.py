"""What is new in a request to a model, when each request repeats the conversation so far."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Any, NamedTuple

import msgspec

from flightlog.console.messages import said
from flightlog.console.payload import entries, listed, words

# Several agents may talk in one run, each with its own conversation; this many of them are told apart.
PAST_MAX = 8
HEARD_MAX = 40
HEARD_CHARS_MAX = 400
_ECHO_CHARS_MIN = 2

Key = tuple[str, bytes | str]


class News(NamedTuple):
    """`earlier` were in a request before, `echoes` repeat an answer or a result that was told, `fresh` are the rest in order."""

    earlier: list[Any]
    fresh: list[Any]
    echoes: list[bool]  # for each of `fresh`
    dropped: int  # how many messages of before are not there any more


class Conversation:
    """Remembers what was said, in the order in which a transcript tells it."""

    def __init__(self) -> None:
        self._past: deque[list[Key]] = deque(maxlen=PAST_MAX)
        self._heard: deque[str] = deque(maxlen=HEARD_MAX)

    def hear(self, text: str) -> None:
        """Something that is told by itself, and that the next request will repeat."""
        start = _trimmed(text)
        if len(start) >= _ECHO_CHARS_MIN:
            self._heard.append(start)

    def hear_answer(self, payload: dict[str, Any]) -> None:
        """What a model said."""
        self.hear(said(entries(payload.get("message"))))

    def hear_result(self, payload: dict[str, Any]) -> None:
        """What a tool gave."""
        error = entries(payload.get("error"))
        message = words(error.get("message"))
        for text in (
            words(payload.get("result")),
            message,
            f"{words(error.get('kind'))}: {message}" if message else "",
        ):
            self.hear(text)

    def news(self, payload: dict[str, Any]) -> News:
        """What of this request was not in one before. The request is remembered."""
        told = listed(payload.get("messages"))
        keys = [_key(message) for message in told]
        begin, dropped = self._continues(keys)
        self._past.append(keys)
        fresh = told[begin:]
        return News(told[:begin], fresh, [self._is_echo(message) for message in fresh], dropped)

    def _continues(self, keys: list[Key]) -> tuple[int, int]:
        """From which message on a request is new, and how many of the one before it are gone."""
        begin, dropped = 0, 0
        for past in reversed(self._past):
            same = _common(past, keys)
            if same == len(past) and same > begin:
                return same, 0
            if same > begin:
                begin, dropped = same, len(past) - same
        for past in reversed(self._past):
            end, same = _rejoined(past, keys[begin:])
            if end and begin:
                return begin + end, 0  # the middle was left out, for size
            if end:
                return end, len(past) - same  # the oldest were left out: a window that slides
        return begin, dropped

    def _is_echo(self, message: Any) -> bool:
        given = entries(message)
        text = _trimmed(said(given))
        if given.get("role") == "assistant":
            return text in self._heard if text else bool(given.get("tool_calls"))
        return given.get("role") in ("tool", "user") and any(text.startswith(start) for start in self._heard if text)


def _trimmed(text: str) -> str:
    return text[: HEARD_CHARS_MAX * 2].strip()[:HEARD_CHARS_MAX].replace("\r\n", "\n")


def _common(past: list[Key], keys: list[Key]) -> int:
    same = 0
    for before, now in zip(past, keys, strict=False):
        if before != now:
            break
        same += 1
    return same


def _rejoined(past: list[Key], keys: list[Key]) -> tuple[int, int]:
    """Where in `keys` the end of `past` ends, and how many of its messages are there; (0, 0) where it is not.

    One message that happens to be the same, such as "go on", is no sign, unless nothing comes before it.
    """
    if not past or past[-1] not in keys:
        return 0, 0
    end = len(keys) - keys[::-1].index(past[-1])
    same = _common(past[::-1], keys[:end][::-1])
    return (end, same) if same > 1 or same in (end, len(past)) or _is_cut(keys[end - same - 1]) else (0, 0)


def _is_cut(key: Key) -> bool:
    return key[1] == "cut"


def _key(message: Any) -> Key:
    """What makes two messages the same. One that was cut for size is known by its beginning: how much is left differs."""
    data = msgspec.json.encode(message)
    if b"[cut " in data:
        role = words(entries(message).get("role"))
        return role, said(entries(message))[:32] if entries(message) else "cut"
    return "", hashlib.blake2b(data, digest_size=16).digest()

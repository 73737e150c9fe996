"""What a card or a panel is built of: texts with a fold, pairs, patches, messages. Each is bounded in size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import msgspec

from flightlog.console import format as fmt
from flightlog.console.ansi import coloured
from flightlog.console.diffview import LINES_MAX, DiffFile, files_of
from flightlog.console.payload import Piece, entries, pieces, words

PAIRS_MAX = 40
LINE_CHARS_MAX = 140
# A fold that hides less than this is no help.
FOLD_LINES_MIN = 4

# Signs that would not be seen, as pictures of themselves; a line ends in one way.
_UNSEEN = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n\x1b"} | {127: 0x2421}


class Limits(NamedTuple):
    """How much of a text is open, how much of it is there at all, and whether calls are told in one line."""

    lines_open: int = 20
    chars_max: int = 16 * 1024
    chars_open: int = 4_000
    compact: bool = False


PAIR_LIMITS = Limits()


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A name and what it stands for."""

    name: Annotated[str, "What it is called."]
    value: Annotated[list[Piece], "What it is, in pieces; empty when it is long."]
    long: Annotated[Block | None, "A text with lines of its own."] = None


@dataclass(frozen=True, kw_only=True)
class Block:
    """One part of a card. `form` says how it is shown, and which of the fields it has."""

    form: Annotated[str, "text, code, line, pairs, diff or group."]
    label: Annotated[str, "What it is; may be empty."] = ""
    tone: Annotated[str, "bad, quiet or a role; may be empty."] = ""
    folded: Annotated[bool, "Whether it is closed until it is asked for."] = False
    teaser: Annotated[str, "Its beginning in one line, for when it is closed."] = ""
    shown: Annotated[list[Piece], "Its text, or the beginning of it."] = ()  # type: ignore[assignment]
    rest: Annotated[list[Piece], "What is under the fold; may be empty."] = ()  # type: ignore[assignment]
    rest_lines: Annotated[str, "How many lines that are."] = ""
    left_out: Annotated[str, "How much is not on the page at all; may be empty."] = ""
    pairs: Annotated[list[Pair], "Names and values."] = ()  # type: ignore[assignment]
    files: Annotated[list[DiffFile], "The files of a patch."] = ()  # type: ignore[assignment]
    inside: Annotated[list[Block], "Blocks of a group."] = ()  # type: ignore[assignment]


def text_block(
    text: str, limits: Limits, *, form: str = "text", label: str = "", tone: str = "", folded: bool = False
) -> Block:
    """A text, closed after its first lines, in the colours that it had in a terminal."""
    kept = text[: limits.chars_max]
    shown, rest = _split(styled(kept), limits)
    hidden = sum(piece.text.count("\n") for piece in rest)
    return Block(
        form=form,
        label=label,
        tone=tone,
        folded=folded,
        teaser=line_of(kept) if folded else "",
        shown=shown,
        rest=rest,
        rest_lines=f"{fmt.count(hidden + 1)} more lines" if hidden else ("the rest of the line" if rest else ""),
        left_out=f"{fmt.count(len(text) - len(kept))} more characters" if len(text) > len(kept) else "",
    )


def code_block(value: object, limits: Limits, *, label: str = "", tone: str = "", folded: bool = False) -> Block:
    """A text or anything else, as code."""
    return text_block(code_of(value), limits, form="code", label=label, tone=tone, folded=folded)


def line_block(text: str, *, label: str = "", tone: str = "") -> Block:
    """One line."""
    return Block(form="line", label=label, tone=tone, shown=styled(line_of(text, 4 * LINE_CHARS_MAX)))


def pairs_block(value: object, limits: Limits, *, label: str = "") -> Block | None:
    """An object as names and values, anything else as code; None when there is nothing."""
    if value is None or value in ("", {}, []):
        return None
    if not isinstance(value, dict):
        return code_block(value, limits, label=label)
    chosen = list(value.items())[:PAIRS_MAX]
    pairs = [pair(words(name), code_of(item), limits) for name, item in chosen]
    more = len(value) - len(chosen)
    return Block(form="pairs", label=label, pairs=pairs, left_out=f"{fmt.count(more)} more" if more else "")


def pair(name: str, text: str, limits: Limits = PAIR_LIMITS) -> Pair:
    """A name and a text; one with lines of its own has a fold."""
    name = name[:LINE_CHARS_MAX]
    if "\n" in text.strip("\n") or len(text) > LINE_CHARS_MAX:
        return Pair(name=name, value=[], long=text_block(text, limits, form="code"))
    return Pair(name=name, value=styled(text.strip("\n")))


def diff_block(text: str) -> Block:
    """A patch, file by file, with at most LINES_MAX lines."""
    lines = text.split("\n")
    files = files_of("\n".join(lines[:LINES_MAX]))
    more = len(lines) - LINES_MAX
    return Block(form="diff", files=files, left_out=f"{fmt.count(more)} more lines" if more > 0 else "")


def group_block(
    inside: Sequence[Block], *, label: str, tone: str = "", folded: bool = False, teaser: str = ""
) -> Block:
    """Blocks under one heading."""
    return Block(form="group", label=label, tone=tone, folded=folded, teaser=teaser, inside=list(inside))


def styled(text: str) -> list[Piece]:
    """The text in pieces: terminal colours, and the marks of redaction and truncation."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_UNSEEN)
    made: list[Piece] = []
    for part in coloured(text):
        made += [piece if piece.mark else piece._replace(mark=part.mark) for piece in pieces(part.text, json=False)]
    return made


def code_of(value: object) -> str:
    """A text as it is, anything else as indented JSON."""
    if isinstance(value, str) or value is None or _is_parts(value):
        return words(value)
    try:
        return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    except (ValueError, RecursionError, TypeError, OverflowError):
        return words(value)


def _is_parts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entries(part).get("text"), str) for part in value)


def line_of(text: str, chars_max: int = LINE_CHARS_MAX) -> str:
    """The beginning of a text in one line.

    >>> line_of("two\\n  lines")
    'two lines'
    """
    line = " ".join(text[: 4 * chars_max].split())
    return line if len(line) <= chars_max else line[: chars_max - 1] + "…"


def call_line(name: str, arguments: Any) -> str:
    """A call as one would write it.

    >>> call_line("read", {"path": "a.py", "lines": [1, 2]})
    'read(path=a.py, lines=[1,2])'
    """
    given = entries(arguments)
    inner = ", ".join(f"{key}={line_of(words(value), 60)}" for key, value in list(given.items())[:8])
    return f"{name}({inner or line_of(words(arguments) if not given and arguments else '', 100)})"


def _split(whole: list[Piece], limits: Limits) -> tuple[list[Piece], list[Piece]]:
    """What is open and what is under the fold."""
    text = "".join(piece.text for piece in whole)
    at = _fold_at(text, limits)
    shown: list[Piece] = []
    for number, piece in enumerate(whole):
        if at < len(piece.text):
            head = [piece._replace(text=piece.text[:at])] if at else []
            return [*shown, *head], [piece._replace(text=piece.text[at:]), *whole[number + 1 :]]
        shown.append(piece)
        at -= len(piece.text)
    return whole, []


def _fold_at(text: str, limits: Limits) -> int:
    at = -1
    for _ in range(limits.lines_open):
        at = text.find("\n", at + 1, limits.chars_open)
        if at < 0:
            break
    if at < 0:
        return limits.chars_open if len(text) > limits.chars_open + 400 else len(text)
    rest = text[at + 1 :].rstrip("\n")
    return at + 1 if rest.count("\n") + 1 >= FOLD_LINES_MIN or len(rest) > 400 else len(text)

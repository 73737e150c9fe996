"""The colours of a terminal in a text, as marks on pieces of it; every other escape sequence is taken out.

Nothing here raises, and nothing is read as markup: what comes out is text and names of classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from flightlog.console.payload import Piece

_ESCAPES = re.compile(
    r"\x1b\[(?P<sgr>[0-9;:]*)m"
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # moves the cursor, erases, and so on
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)"  # titles, links and other strings
    r"|\x1b[ -/]*[0-Z\\-~]"
    r"|\x1b"
)

# The 16 colours as terminals commonly show them, for finding the nearest to one of the many.
_PALETTE: tuple[tuple[int, int, int], ...] = (
    (0, 0, 0), (205, 49, 49), (13, 188, 121), (229, 229, 16), (36, 114, 200), (188, 63, 188), (17, 168, 205),
    (204, 204, 204), (102, 102, 102), (241, 76, 76), (35, 209, 139), (245, 245, 67), (59, 142, 234), (214, 112, 214),
    (41, 184, 219), (255, 255, 255),
)  # fmt: skip
_STYLES = {1: "bold", 2: "faded", 3: "italic", 4: "lined", 7: "turned", 9: "struck"}
_ENDS = {22: ("bold", "faded"), 23: ("italic",), 24: ("lined",), 27: ("turned",), 29: ("struck",)}
CODES_MAX = 64  # in one sequence; nobody writes more than a handful
CODE_MAX = 65_535


class _Pen:
    """What the next letters look like."""

    def __init__(self) -> None:
        self.styles: list[str] = []
        self.ink: int | None = None
        self.paper: int | None = None

    @property
    def mark(self) -> str:
        names = list(self.styles)
        if self.ink is not None:
            names.append(f"ink-{self.ink}")
        if self.paper is not None:
            names.append(f"paper-{self.paper}")
        return " ".join(["sgr", *names]) if names else ""

    def take(self, codes: list[int]) -> None:
        """Change as one sequence says."""
        rest = iter(codes or [0])
        for code in rest:
            if code == 0:
                self.styles, self.ink, self.paper = [], None, None
            elif code in _STYLES:
                if _STYLES[code] not in self.styles:
                    self.styles.append(_STYLES[code])
            elif code in _ENDS:
                self.styles = [name for name in self.styles if name not in _ENDS[code]]
            else:
                self._colour(code, rest)

    def _colour(self, code: int, rest: Iterator[int]) -> None:
        if 30 <= code <= 37 or 90 <= code <= 97:
            self.ink = code - 30 if code < 90 else code - 82
        elif 40 <= code <= 47 or 100 <= code <= 107:
            self.paper = code - 40 if code < 100 else code - 92
        elif code == 38:
            self.ink = _extended(rest)
        elif code == 48:
            self.paper = _extended(rest)
        elif code == 58:
            _extended(rest)  # of an underline
        elif code == 39:
            self.ink = None
        elif code == 49:
            self.paper = None


def coloured(text: str) -> list[Piece]:
    r"""The text without its escape sequences, in pieces that are marked with classes.

    >>> coloured("a \x1b[1;31mred\x1b[0m b")
    [Piece(text='a ', mark='', title=''), Piece(text='red', mark='sgr bold ink-1', title=''), Piece(text=' b', mark='', title='')]
    """
    pen, at = _Pen(), 0
    made: list[Piece] = []
    for found in _ESCAPES.finditer(text):
        if found.start() > at:
            made.append(Piece(text[at : found.start()], pen.mark))
        at = found.end()
        if found["sgr"] is not None:
            pen.take(_codes(found["sgr"]))
    if at < len(text):
        made.append(Piece(text[at:], pen.mark))
    return made


def plain(text: str) -> str:
    """The text without its escape sequences."""
    return _ESCAPES.sub("", text)


def _codes(text: str) -> list[int]:
    parts = re.split("[;:]", text[:400])[:CODES_MAX]
    return [min(int(part[:6]), CODE_MAX) if part else 0 for part in parts]


def _extended(rest: Iterator[int]) -> int | None:
    """The nearest of the 16 to one of 256 colours (`5;n`) or to one of all (`2;r;g;b`)."""
    kind = next(rest, 0)
    if kind == 5:
        return _of_256(next(rest, 0))
    if kind == 2:
        return _nearest((next(rest, 0), next(rest, 0), next(rest, 0)))
    return None


def _of_256(number: int) -> int | None:
    if number < 16:
        return number
    if number > 255:
        return None
    if number >= 232:
        return _nearest((8 + 10 * (number - 232),) * 3)
    steps = (0, 95, 135, 175, 215, 255)
    number -= 16
    return _nearest((steps[number // 36], steps[number // 6 % 6], steps[number % 6]))


def _nearest(colour: tuple[int, ...]) -> int:
    def distance(at: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(_PALETTE[at], colour, strict=True))

    return min(range(16), key=distance)

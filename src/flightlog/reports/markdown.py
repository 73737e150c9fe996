"""Anybody's text inside Markdown (CommonMark with GitHub's tables), so that it stays text."""

from __future__ import annotations

import re

_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~&!$@])")
_ADDRESS = re.compile(r"(?i)(?<=\b)(https?|ftp|mailto|xmpp)(?=:)|\bwww(?=\.)")
_TICKS = re.compile(r"`+")


def escaped(text: str) -> str:
    r"""A text in the flow of a line: signs of Markdown and HTML lose their meaning, addresses don't become links.

    >>> escaped("**bold** <b> [x](y)"), escaped("see https://a.example")
    ('\\*\\*bold\\*\\* \\<b\\> \\[x\\]\\(y)', 'see https\\://a.example')
    """
    made = _SIGNS.sub(r"\\\1", " ".join(text.split())).replace("](", "]\\(")
    return _ADDRESS.sub(lambda found: found[0] + "\\", made)


def span(text: str) -> str:
    r"""A text as code in a line, whatever ticks it has; bars are escaped, as tables need it even there.

    >>> span("ls -l"), span("a `b` c"), span("`")
    ('`ls -l`', '``a `b` c``', '`` ` ``')
    """
    line = " ".join(text.split())
    if not line:
        return ""
    ticks = "`" * (max((len(run) for run in _TICKS.findall(line)), default=0) + 1)
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{room}{line}{room}{ticks}"


def cell(text: str) -> str:
    r"""A text as code in a cell of a table.

    >>> cell("a | b")
    '`a \\| b`'
    """
    return span(text).replace("|", "\\|")


def fenced(text: str, indent: int = 0, language: str = "text") -> str:
    r"""A text as a block of code that none of its own lines can end, indented to lie in a list.

    >>> fenced("one\n```\ntwo", 2)
    '  ````text\n  one\n  ```\n  two\n  ````'
    """
    fence = "`" * max(3, max((len(run) for run in _TICKS.findall(text)), default=0) + 1)
    pad = " " * indent
    return "\n".join((pad + line).rstrip() for line in [fence + language, *text.split("\n"), fence])

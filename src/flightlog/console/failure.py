"""What a teller gives back, and what went wrong, which every one of them may have to tell."""

from __future__ import annotations

from typing import NamedTuple

from flightlog.console.blocks import Block, Limits, code_block, line_block, text_block
from flightlog.console.payload import entries, listed, words


class Told(NamedTuple):
    """What an event says. `notes` are a few words each."""

    notes: list[str]
    blocks: list[Block]


def failure_blocks(error: object, limits: Limits) -> list[Block]:
    """What went wrong: its class and message, and where it came from, closed."""
    if isinstance(error, str):
        return [text_block(error, limits, tone="bad")]
    given = entries(error)
    said = ": ".join(part for part in (words(given.get("kind")), words(given.get("message"))) if part)
    blocks = [text_block(said, limits, tone="bad")] if said else []
    if given.get("stack"):
        blocks.append(code_block(given["stack"], limits, label="Stack", folded=True))
    for name in ("causes", "errors"):
        for cause in map(entries, listed(given.get(name))[:5]):
            told = ": ".join(part for part in (words(cause.get("kind")), words(cause.get("message"))) if part)
            blocks.append(line_block(told, label="Cause" if name == "causes" else "Among them"))
    return blocks

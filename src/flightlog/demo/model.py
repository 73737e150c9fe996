"""A model that needs no key and no network: what it says is written down, how it says it is a real chat completion.

Requests and answers have the shape of a chat-completions API, with tool calls, usage and streaming, so that all which
looks at them (the recording helpers too) is the code that looks at a real model's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

Json = dict[str, Any]

NAME = "scripted-coder-1"
PROVIDER = "flightlog-demo"
CREATED = 1_767_225_600
# US dollars per token, in and out: this model's list price, so that the cost of a flight can be seen.
INPUT_USD, OUTPUT_USD = 0.15e-6, 0.60e-6

SOURCE = "headline/slug.py"
OLD = """    slug = _OTHER.sub("-", title.lower()).strip("-")
    return slug[:length_max]
"""
NEW = """    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode("ascii")
    slug = _OTHER.sub("-", plain.lower()).strip("-")
    return slug[:length_max].rstrip("-")
"""


class Turn(NamedTuple):
    """What the model says when it is asked: a text, calls of tools, and how many tokens that took."""

    text: str | None
    calls: tuple[tuple[str, Json], ...]
    input_tokens: int
    cached_tokens: int
    output_tokens: int


SCRIPT: tuple[Turn, ...] = (
    Turn(
        "Two tests fail. I'll read the function, and the settings that tell where its slugs go.",
        (("read_file", {"path": SOURCE}), ("read_file", {"path": "publish.toml"})),
        612, 0, 58,
    ),
    Turn(
        "Accented letters are thrown away whole. I'd like to look up how others fold them.",
        (("fetch_url", {"url": "https://docs.example.com/unicode/normal-forms"}),),
        934, 512, 41,
    ),
    Turn(
        "Then without: NFKD takes an accent off its letter, and a cut has to drop the dash that it may leave.",
        (
            ("replace_in_file", {"path": SOURCE, "old": "import re\n", "new": "import re\nimport unicodedata\n"}),
            ("replace_in_file", {"path": SOURCE, "old": OLD, "new": NEW}),
        ),
        1_020, 896, 187,
    ),
    Turn("Both edits are in. Let me see whether the tests agree.", (("run_tests", {}),), 1_284, 1_024, 23),
    Turn(
        "All five tests pass. `slugify` now folds accents with NFKD before it drops what is not ASCII, and a cut slug "
        "no longer ends in a dash. Nothing else was touched.",
        (),
        1_391, 1_280, 45,
    ),
)  # fmt: skip


class ScriptedModel:
    """Answers by its script: the turn is the number of answers that the conversation already has."""

    def create(self, *, model: str, messages: list[Json], tools: list[Json]) -> Json:
        """A chat completion."""
        number, turn = _turn(messages)
        choice = {"index": 0, "message": _message(number, turn), "finish_reason": _reason(turn)}
        return {**_head(number, model, "chat.completion"), "choices": [choice], "usage": _usage(turn)}

    def stream(self, *, model: str, messages: list[Json], tools: list[Json]) -> Iterator[Json]:
        """The same in chunks: the role, the text word by word, the reason for the end, the usage."""
        number, turn = _turn(messages)
        head = _head(number, model, "chat.completion.chunk")
        words = (turn.text or "").split(" ")
        deltas: list[Json] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": word if at == 0 else " " + word} for at, word in enumerate(words)]
        for delta in deltas:
            yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": _reason(turn)}]}
        yield {**head, "choices": [], "usage": _usage(turn)}


def speaks_last(messages: list[Json]) -> bool:
    """Whether the next answer is the script's last: one without calls, which can be streamed."""
    return not _turn(messages)[1].calls


def cost_usd(usage: Json) -> float:
    """What an answer with this usage costs."""
    return float(usage["prompt_tokens"] * INPUT_USD + usage["completion_tokens"] * OUTPUT_USD)


def _turn(messages: list[Json]) -> tuple[int, Turn]:
    number = sum(message["role"] == "assistant" for message in messages)
    return number, SCRIPT[min(number, len(SCRIPT) - 1)]


def _head(number: int, model: str, kind: str) -> Json:
    return {"id": f"chatcmpl-demo-{number + 1}", "object": kind, "created": CREATED, "model": model}


def _message(number: int, turn: Turn) -> Json:
    message: Json = {"role": "assistant", "content": turn.text}
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{number + 1}_{at + 1}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for at, (name, arguments) in enumerate(turn.calls)
        ]
    return message


def _reason(turn: Turn) -> str:
    return "tool_calls" if turn.calls else "stop"


def _usage(turn: Turn) -> Json:
    return {
        "prompt_tokens": turn.input_tokens,
        "completion_tokens": turn.output_tokens,
        "total_tokens": turn.input_tokens + turn.output_tokens,
        "prompt_tokens_details": {"cached_tokens": turn.cached_tokens},
    }

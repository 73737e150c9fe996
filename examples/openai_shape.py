"""A model call and a tool, with answers in the shape that OpenAI's and all compatible SDKs give; streamed the second time.

The model here is scripted, so that this runs anywhere; put your client's `chat.completions.create` in its place.

    python examples/openai_shape.py [FOLDER]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import flightlog

MODEL = "gpt-4.1"
Json = dict[str, Any]


def create(messages: list[Json]) -> Json:
    """What `client.chat.completions.create(…)` gives: here, the wish to call a tool."""
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 19, "b": 23}'}}
    return {
        "id": "chatcmpl-1",
        "model": MODEL,
        "choices": [
            {"finish_reason": "tool_calls", "message": {"role": "assistant", "content": None, "tool_calls": [call]}}
        ],
        "usage": {"prompt_tokens": 61, "completion_tokens": 17, "prompt_tokens_details": {"cached_tokens": 32}},
    }


def stream(messages: list[Json]) -> Iterator[Json]:
    """What `client.chat.completions.create(…, stream=True)` gives."""
    for piece in ("19 + 23 ", "is ", "42."):
        yield {"id": "chatcmpl-2", "model": MODEL, "choices": [{"index": 0, "delta": {"content": piece}}]}
    yield {"id": "chatcmpl-2", "model": MODEL, "choices": [], "usage": {"prompt_tokens": 85, "completion_tokens": 8}}


def main(folder: str) -> None:
    """Ask, use the tool, ask again."""
    rec = flightlog.open(folder)

    @rec.tool
    def add(a: int, b: int) -> int:
        return a + b

    with rec.run("do a sum", actor="example") as run:
        messages: list[Json] = [{"role": "user", "content": "What is 19 + 23? Use the tool."}]
        with run.llm(MODEL, provider="openai", messages=messages) as call:
            message = call.record(create(messages))["choices"][0]["message"]
        wanted = message["tool_calls"][0]
        total = add(**json.loads(wanted["function"]["arguments"]))
        messages += [message, {"role": "tool", "tool_call_id": wanted["id"], "content": str(total)}]
        with run.llm(MODEL, provider="openai", messages=messages) as call:
            for chunk in call.stream(stream(messages)):
                for choice in chunk["choices"]:
                    print(choice["delta"]["content"], end="", flush=True)
        print()
        print("persistence:", call.result()["persistence"] or "fine")
    rec.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "./flight")

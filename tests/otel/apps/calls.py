"""An application as people write them: it calls a model in all the usual ways, and knows nothing of being watched."""

from __future__ import annotations

import asyncio
import contextlib
import os

import openai

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
QUESTION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is the capital of France, and of Slovenia?"},
]
ASKED = [{"role": "user", "content": "What is the weather in Ljubljana?"}]
CALLED = [
    *ASKED,
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_7", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ljubljana"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "call_7", "content": '{"celsius": 21}'},
]


def main() -> None:
    """Eleven calls, of which three fail."""
    client = openai.OpenAI(base_url=os.environ["MODEL_URL"], api_key="test", max_retries=0)
    chat = client.chat.completions
    chat.create(model="plain", messages=QUESTION, temperature=0.2, max_tokens=200)  # type: ignore[arg-type]
    for _ in chat.create(
        model="streamed",
        messages=QUESTION,
        stream=True,
        stream_options={"include_usage": True},  # type: ignore[arg-type]
    ):
        pass
    chat.create(model="tool-wanted", messages=ASKED, tools=[TOOL])  # type: ignore[call-overload]
    for _ in chat.create(
        model="tool-streamed",
        messages=ASKED,
        tools=[TOOL],
        stream=True,
        stream_options={"include_usage": True},  # type: ignore[call-overload]
    ):
        pass
    chat.create(model="tool-answered", messages=CALLED, tools=[TOOL])  # type: ignore[call-overload]
    client.embeddings.create(model="embedder", input="a text to embed")
    for model in ("missing-model", "busy-model", "broken-model"):
        with contextlib.suppress(openai.APIStatusError):
            chat.create(model=model, messages=ASKED)  # type: ignore[arg-type]
    asyncio.run(without_waiting())


async def without_waiting() -> None:
    """The same with the other client."""
    async with openai.AsyncOpenAI(base_url=os.environ["MODEL_URL"], api_key="test", max_retries=0) as client:
        await client.chat.completions.create(model="async-plain", messages=QUESTION)  # type: ignore[arg-type]
        stream = await client.chat.completions.create(
            model="async-streamed",
            messages=QUESTION,
            stream=True,
            stream_options={"include_usage": True},  # type: ignore[arg-type]
        )
        async for _ in stream:
            pass


if __name__ == "__main__":
    main()

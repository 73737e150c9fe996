"""Several agents at once in one asyncio program: each event finds its own run by itself.

python examples/async_agents.py [FOLDER]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import flightlog


async def answer(question: str) -> AsyncIterator[str]:
    """A model that streams its answer, scripted."""
    for word in ("It", "depends", "on", question):
        await asyncio.sleep(0)
        yield word + " "


async def agent(rec: flightlog.Recorder, question: str) -> str:
    """One run with one streamed model call."""
    with rec.run(f"answer {question}", actor="example"):
        async with rec.llm("scripted-1", messages=question) as call:
            return "".join([word async for word in call.astream(answer(question))])


async def main(folder: str) -> None:
    """Three runs side by side."""
    with flightlog.open(folder) as rec:
        for text in await asyncio.gather(*(agent(rec, question) for question in ("weather", "taste", "luck"))):
            print(text)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "./flight"))

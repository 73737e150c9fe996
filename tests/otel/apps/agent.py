"""An agent with a tool, as Pydantic AI's own pages have it; it is watched by what Pydantic AI brings along."""

from __future__ import annotations

import os

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def main() -> None:
    """One question, which takes a tool and two calls."""
    Agent.instrument_all()
    provider = OpenAIProvider(base_url=os.environ["MODEL_URL"], api_key="test")
    agent = Agent(OpenAIChatModel("agent-model", provider=provider), name="forecaster", instructions="Be brief.")

    @agent.tool_plain
    def weather(city: str) -> dict[str, int]:
        """The weather in a city."""
        return {"celsius": 21} if city == "Ljubljana" else {}

    print(agent.run_sync("What is the weather in Ljubljana?").output)


if __name__ == "__main__":
    main()

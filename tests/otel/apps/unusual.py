"""The usual calls, and then answers of all the other shapes."""

from __future__ import annotations

import contextlib
import os

import openai

from tests.otel.apps import calls
from tests.otel.apps.calls import ASKED, QUESTION, TOOL


def main() -> None:
    """Seven more calls: one breaks off, and one is left in the middle."""
    calls.main()
    client = openai.OpenAI(base_url=os.environ["MODEL_URL"], api_key="test", max_retries=0)
    create = client.chat.completions.create
    create(model="two-choices", messages=QUESTION, n=2)  # type: ignore[arg-type]
    for _ in create(model="two-calls", messages=ASKED, tools=[TOOL], stream=True):  # type: ignore[call-overload]
        pass
    create(model="half-a-call", messages=ASKED, tools=[TOOL])  # type: ignore[call-overload]
    create(model="refusing", messages=QUESTION)  # type: ignore[arg-type]
    for _ in create(model="no-usage", messages=QUESTION, stream=True):  # type: ignore[arg-type]
        pass
    with contextlib.suppress(openai.APIConnectionError):
        for _ in create(model="broken-off", messages=QUESTION, stream=True):  # type: ignore[arg-type]
            pass
    with create(model="left", messages=QUESTION, stream=True) as stream:  # type: ignore[arg-type]
        for number, _ in enumerate(stream):
            if number == 2:
                break


if __name__ == "__main__":
    main()

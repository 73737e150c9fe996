"""An application that is gone the moment after its calls."""

from __future__ import annotations

import os
import signal

import openai


def main() -> None:
    """Three calls, and the end."""
    client = openai.OpenAI(base_url=os.environ["MODEL_URL"], api_key="test", max_retries=0)
    for model in ("first", "second", "third"):
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()

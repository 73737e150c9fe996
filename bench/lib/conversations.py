"""Events of agents at work: calls of models and tools of about 1 KB each, whose texts are all different and read like English.

Sentences come from a chain of words that was learned from the texts of Python's own manual, so that they pack as prose does; what
programs repeat (system prompts, names of models and tools, shapes of JSON) is repeated here too.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import msgspec

from flightlog.events.envelope import Event
from flightlog.ids import uuid7

START = 1_760_000_000_000_000_000
PAYLOAD_BYTES = 1_024
MODELS = (
    ("openai", "gpt-5.2"), ("openai", "gpt-5.2-mini"), ("anthropic", "claude-opus-5"), ("google", "gemini-3-pro")
)  # fmt: skip
TOOLS = ("read_file", "search_code", "run_tests", "apply_patch", "list_folder", "fetch_page", "query_table")
PROMPTS = 12  # different system prompts


@lru_cache(maxsize=1)
def _chain() -> tuple[dict[str, list[str]], list[str]]:
    """After each word those that follow it, as often as they do; and the words that begin sentences."""
    from pydoc_data.topics import topics

    words = re.findall(r"[A-Za-z][A-Za-z'-]*[.,;:]?", " ".join(topics.values()))
    after: dict[str, list[str]] = defaultdict(list)
    for word, following in pairwise(words):
        after[word].append(following)
    return after, [word for word in words if word[0].isupper() and word.isalpha()]


def prose(chance: random.Random, size: int) -> str:
    """So many characters of sentences that nobody has written before."""
    after, beginnings = _chain()
    word = chance.choice(beginnings)
    made, length = [word], len(word)
    while length < size:
        word = chance.choice(after.get(word) or beginnings)
        made.append(word)
        length += len(word) + 1
    return " ".join(made)[:size]


class Conversations:
    """Batches of events in which runs of agents take turns."""

    def __init__(
        self,
        seed: int = 1,
        *,
        projects: int = 1,
        runs_at_once: int = 16,
        calls_a_run: int = 40,
        step_ns: int = 20_000_000,
        start: int = START,
    ) -> None:
        self._chance = random.Random(seed)
        self._projects = projects
        self._calls = calls_a_run
        self._step = step_ns
        self._at = start
        self._count = 0
        self._prompts = [prose(self._chance, 300) for _ in range(PROMPTS)]
        # Made beforehand, and cut at different places, because making them takes longer than storing them.
        self._prose = prose(self._chance, 12_000_000)
        self._runs = [self._new_run(place) for place in range(runs_at_once)]

    def batches(self, events: int, size: int) -> Iterator[list[Event]]:
        """So many events in batches of at most `size`."""
        for start in range(0, events, size):
            yield [self._next() for _ in range(min(size, events - start))]

    def _new_run(self, place: int) -> dict[str, object]:
        chance = self._chance
        return {
            "run_id": uuid7(self._at, chance.getrandbits(62)),
            "trace_id": f"{chance.getrandbits(128):032x}",
            "project": f"project-{place % self._projects}" if self._projects > 1 else "default",
            "actor": f"agent-{place}",
            "model": chance.choice(MODELS),
            "prompt": chance.choice(self._prompts),
            "producer": uuid7(self._at, place),
            "parent": f"{chance.getrandbits(64):016x}",
            "span": "",
            "call": None,
            "left": chance.randint(self._calls // 2, self._calls * 2) * 4,
            "seq": 0,
        }

    def _next(self) -> Event:
        chance = self._chance
        place = chance.randrange(len(self._runs))
        run = self._runs[place]
        self._at += chance.randint(self._step // 2, self._step * 3 // 2)
        self._count += 1
        left = run["left"] = int(str(run["left"])) - 1
        seq = run["seq"] = int(str(run["seq"])) + 1
        kind = ("tool_result", "tool_call", "llm_response", "llm_request")[left % 4]
        if kind in ("llm_request", "tool_call"):
            run["span"], run["call"] = f"{chance.getrandbits(64):016x}", uuid7(self._at, chance.getrandbits(62))
        failed = chance.random() < 0.02
        ends = kind in ("llm_response", "tool_result")
        if left <= 0:
            self._runs[place] = self._new_run(place)
        return Event(
            event_id=uuid7(self._at, chance.getrandbits(62)),
            type=kind,
            created_at=self._at,
            run_id=str(run["run_id"]),
            project=str(run["project"]),
            name=str(run["model"][1]) if kind.startswith("llm") else TOOLS[left // 4 % len(TOOLS)],  # type: ignore[index]
            level="error" if failed and ends else "info",
            source="agent",
            actor=str(run["actor"]),
            trace_id=str(run["trace_id"]),
            span_id=str(run["span"]),
            parent_span_id=str(run["parent"]),
            correlation_id=run["call"],  # type: ignore[arg-type]
            status=("error" if failed else "ok") if ends else None,
            duration_ns=int(chance.lognormvariate(20, 1)) if ends else None,
            producer_id=str(run["producer"]),
            seq=seq,
            payload=msgspec.Raw(msgspec.json.encode(self._payload(kind, run))),
        )

    def _text(self, size: int) -> str:
        start = self._chance.randrange(len(self._prose) - size)
        return self._prose[start : start + size]

    def _payload(self, kind: str, run: dict[str, object]) -> dict[str, object]:
        chance = self._chance
        provider, model = run["model"]  # type: ignore[misc]
        if kind == "llm_request":
            messages = [
                {"role": "system", "content": run["prompt"]},
                {"role": "user", "content": self._text(560)},
            ]
            return {"provider": provider, "model": model, "messages": messages, "temperature": 0.2, "max_tokens": 2048}
        if kind == "llm_response":
            usage = {
                "input_tokens": chance.randint(300, 30_000),
                "output_tokens": chance.randint(20, 2_000),
                "cached_input_tokens": chance.randint(0, 300),
            }
            return {
                "provider": provider,
                "model": model,
                "message": {"role": "assistant", "content": self._text(760)},
                "usage": usage,
                "finish_reason": chance.choice(("stop", "tool_calls")),
                "response_id": f"resp_{chance.getrandbits(96):024x}",
            }
        path = f"src/{self._text(8).strip().lower()}/{chance.randrange(400)}.py"
        if kind == "tool_call":
            return {
                "tool": "read",
                "arguments": {"path": path, "query": self._text(880), "line": chance.randrange(900)},
            }
        return {"output": self._text(900), "exit_code": chance.choice((0, 0, 0, 1)), "path": path}

"""What do model calls cost to keep, and how long does the list of them take, whatever is asked of it?

The first table: finished spans of 2.4 KB, ten to a trace, all of them model calls, appended in batches: to the journal alone, with
the summaries of runs, and with a row for each call. The second: pages of 100, the first and one far down by its cursor, in every
order and behind filters that many, few and no calls pass. In this process: what the server does before it writes JSON.

    python bench/generations.py [--rows 10000 100000] [--spans 20000] [--rounds 9] [--only WORD]
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import astuple

from flightlog.clock import NS_PER_SECOND
from flightlog.events.envelope import FLAG_ROOT, Event, StoredEvent
from flightlog.filters.compile import generation_filter
from flightlog.journal.append import Journal
from flightlog.journal.projector import Projector
from flightlog.runs.calls import CALL_TYPES
from flightlog.runs.generation_fold import GenerationState
from flightlog.runs.generation_table import generations
from flightlog.runs.generations import SORTS, list_generations
from flightlog.runs.project import RunProjector
from flightlog.store.contract import Store, Tx
from flightlog.store.engine import open_store
from flightlog.store.sqlite import DATABASE_FILE
from lib.flights import START, text
from lib.table import print_table, quantile

LIMIT = 100
BATCH = 500
CHUNK = 5_000
SPANS_PER_TRACE = 10
MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-5", "gemini-2.5-pro", "nobody-knows")
FILTERS = {
    "all": "",
    "a model": "model:gpt-4o",
    "models like": "model:gpt*",
    "not a model": "-model:gpt*",
    "few (status)": "status:error",
    "a trace": "trace:{trace}",
    "a run": "run:{trace}",
    "an actor": "actor:agent-7",
    "no such actor": "actor:nobody",
    "dear": "cost:>0.04",
    "slow": "duration:>29s",
    "a day": "since:{day} until:{next}",
    "text, common": "agent",
    "text, nowhere": '"zzz"',
    "a few together": "model:gpt* status:ok cost:>0.01 -actor:agent-7",
}


class RunsAlone(RunProjector):
    """The summaries without the rows of calls."""

    def apply(self, tx: Tx, events: Sequence[StoredEvent]) -> None:
        self._apply_runs(tx, events, {one.id: self.read(one) for one in events if one.type in CALL_TYPES})


def spans(count: int, batch: int) -> Iterator[list[Event]]:
    chance = random.Random(1)
    texts = [text(chance, 900) for _ in range(50)]
    made: list[Event] = []
    trace_id = ""
    for number in range(count):
        if number % SPANS_PER_TRACE == 0:
            trace_id = f"{chance.getrandbits(128):032x}"
        span_id, model = f"{chance.getrandbits(64):016x}", MODELS[number % len(MODELS)]
        messages = [{"role": "system", "content": texts[number % 50]}, {"role": "user", "content": texts[number % 49]}]
        payload = {
            "model": model,
            "provider": "openai" if model.startswith("gpt") else None,
            "operation": "chat",
            "request": {"model": model, "messages": messages, "parameters": {"temperature": 0.2}},
            "message": {"role": "assistant", "content": texts[number % 47][:300]},
            "finish_reasons": ["stop"],
            "usage": {"input_tokens": 1_000, "output_tokens": 100, "cached_input_tokens": 500},
            "otlp": {"name": f"chat {model}", "kind": "client", "scope": "bench@1", "dialect": "genai"},
        }
        made.append(
            Event(
                event_id=f"{trace_id}-{span_id}", type="llm_response", created_at=START + number * 1_000_000, run_id=trace_id,
                name=model, trace_id=trace_id, span_id=span_id, status="ok", duration_ns=900_000, source="bench",
                flags=0 if number % SPANS_PER_TRACE else FLAG_ROOT, payload=msgspec.Raw(msgspec.json.encode(payload)),
            )
        )  # fmt: skip
        if len(made) == batch:
            yield made
            made = []
    if made:
        yield made


def keep(temp: Path, count: int) -> list[list[str]]:
    """What each step adds; each batch goes to all in turn, so that whatever else the machine does meets them alike."""
    ways: dict[str, list[Projector]] = {
        "journal alone": [],
        "with runs": [RunsAlone()],
        "with runs and calls": [RunProjector()],
    }
    stores = {name: open_store(temp / name.replace(" ", "-"), writable=True) for name in ways}
    journals = {name: Journal(stores[name], projectors) for name, projectors in ways.items()}
    spent = dict.fromkeys(ways, 0.0)
    for batch in spans(count, BATCH):
        for name, journal in journals.items():
            started = time.process_time()
            journal.append(batch)
            spent[name] += time.process_time() - started
    for store in stores.values():
        store.close()
    before, rows = 0.0, []
    for name in ways:
        micro = spent[name] / count * 1e6
        size = (temp / name.replace(" ", "-") / DATABASE_FILE).stat().st_size / count
        rows.append([name, f"{micro:.1f}", f"{micro - before:+.1f}", f"{size:,.0f}"])
        before = micro
    return rows


def fill(store: Store, count: int) -> str:
    """Rows as the projector makes them; a trace in the middle."""
    chance = random.Random(2)
    traces = [f"{chance.getrandbits(128):032x}" for _ in range(count // SPANS_PER_TRACE + 1)]
    words = [text(chance, 160) for _ in range(200)]

    def row(number: int) -> GenerationState:
        trace = traces[number // SPANS_PER_TRACE]
        took = int(chance.expovariate(1 / 5) * NS_PER_SECOND)
        used, answered = chance.randrange(8_000), chance.randrange(800)
        return GenerationState(
            id=number + 1, generation_id=f"{trace}-{number:016x}", answer_id=number + 1, run_id=trace, project="shop",
            trace_id=trace, span_id=f"{number:016x}", actor=f"agent-{number % 20}", source="bench", name="chat",
            started_at=START + number * 60 * NS_PER_SECOND, ended_at=START + number * 60 * NS_PER_SECOND + took,
            duration_ns=took, time_to_first_chunk_ns=took // 3, provider="openai", model=chance.choice(MODELS),
            request_model="gpt-4o", operation="chat", status="error" if number % 97 == 0 else "ok", finish_reason="stop",
            streamed=1, tokens_input=used, tokens_output=answered, cost_nano_usd=used * 2_500 + answered * 10_000,
            cost_source="priced", price_id="openai/gpt-4o", input_preview=chance.choice(words), output_preview=chance.choice(words),
        )  # fmt: skip

    for start in range(0, count, CHUNK):
        rows = [astuple(row(number)) for number in range(start, min(start + CHUNK, count))]
        store.write(lambda tx, rows=rows: tx.insert_many((generations, rows)))
    return traces[len(traces) // 2]


def asked(store: Store, count: int, trace: str) -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    day = START + count // 2 * 60 * NS_PER_SECOND
    places = {"trace": trace, "day": day, "next": day + 86_400 * NS_PER_SECOND}
    made: dict[str, Callable[[], object]] = {}
    for name, query in FILTERS.items():
        wanted = generation_filter(query.format(**places), 0)
        made[name] = lambda wanted=wanted: list_generations(store, wanted, limit=LIMIT)
        made[f"{name}, counted"] = lambda wanted=wanted: list_generations(store, wanted, limit=LIMIT, count=True)
    for sort in SORTS:
        made[f"sorted by {sort}"] = lambda sort=sort: list_generations(store, sort=f"-{sort}", limit=LIMIT)
        made[f"sorted by {sort}, far down"] = _far_down(store, sort, count)
    return made


def _far_down(store: Store, sort: str, count: int) -> Callable[[], object]:
    cursor: str | None = None
    for _ in range(min(count // 500 * 9 // 10, 100)):
        cursor = list_generations(store, sort=f"-{sort}", limit=500, cursor=cursor).next_cursor
    return lambda: list_generations(store, sort=f"-{sort}", limit=LIMIT, cursor=cursor)


def look(temp: Path, sizes: Sequence[int], rounds: int, only: str) -> list[list[str]]:
    """The medians, one column for each size."""
    table: dict[str, list[str]] = {}
    for count in sizes:
        store = open_store(temp / str(count), writable=True)
        for name, ask in asked(store, count, fill(store, count)).items():
            if only not in name:
                continue
            times = []
            for _ in range(rounds):
                started = time.perf_counter()
                ask()
                times.append((time.perf_counter() - started) * 1e3)
            table.setdefault(name, []).append(f"{quantile(sorted(times), 0.5):.1f}")
        store.close()
    return [[name, *values] for name, values in table.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--spans", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        if given.spans:
            notes = [f"{given.spans:,} spans of 2.4 KB, {BATCH} a transaction"]
            print_table(
                "Keeping model calls",
                ["what", "CPU µs/span", "more", "bytes/span"],
                keep(Path(temp), given.spans),
                notes,
            )
        if given.rows:
            heads = ["what", *(f"{count:,}: ms" for count in given.rows)]
            print_table(
                "The list of model calls, medians", heads, look(Path(temp), given.rows, given.rounds, given.only), []
            )


if __name__ == "__main__":
    main()

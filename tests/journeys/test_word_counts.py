"""The example that README and tutorial lead to: crashed in the middle, it goes on, and what comes out is right."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cli.terminal import SECONDS_MAX, Server, flightlog

ROOT = Path(__file__).parents[2]
EXAMPLE, TEXTS = ROOT / "examples" / "word_counts.py", ROOT / "examples" / "texts"


def streamed(url: str) -> Iterator[dict[str, Any]]:
    """The data of a stream's events."""
    with urllib.request.urlopen(url, timeout=SECONDS_MAX) as answer:
        for line in answer:
            if line.startswith(b"data:"):
                yield json.loads(line[5:])


def submit(server: Server, **given: Any) -> str:
    body = json.dumps({"pipeline": "word-counts", "input": given}).encode()
    request = urllib.request.Request(server.url + "/v1/tasks", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:
        return str(json.load(answer)["task_id"])


def ended(server: Server, task_id: str) -> dict[str, Any]:
    """The task, once it is over."""
    *_, _ = streamed(f"{server.url}/v1/tasks/{task_id}/stream")
    with urllib.request.urlopen(f"{server.url}/v1/tasks/{task_id}", timeout=SECONDS_MAX) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def counted_directly() -> Counter[str]:
    """The same by other means."""
    text = "\n".join(file.read_text("utf-8") for file in TEXTS.glob("*.txt")).lower()
    return Counter(re.sub(r"[^a-z']+", " ", text.replace("’", "'")).replace(" '", " ").replace("' ", " ").split())


def test_a_server_that_is_killed_in_the_middle_goes_on_and_counts_nothing_twice(tmp_path: Path) -> None:
    out = tmp_path / "counts"
    pipelines = ("--pipelines", str(EXAMPLE))
    with Server(tmp_path / "flight", *pipelines) as server:
        task_id = submit(server, folder=str(TEXTS), out=str(out), pause_seconds=0.2)
        counted = streamed(f"{server.url}/api/events/stream?type=words.counted&afterId=0")
        before = [next(counted)["payload"]["text"] for _ in range(2)]
        server.send(signal.SIGKILL)
        server.wait()
    parts = {part.name: part.stat().st_ino for part in out.glob("parts/*.json")}
    assert len(before) <= len(parts) < 6
    with Server(tmp_path / "flight", *pipelines) as server:
        task = ended(server, task_id)
        hopeless = ended(server, submit(server, folder=str(tmp_path / "nowhere"), out=str(out)))
        story = flightlog("events", "--task", task_id, "--type", "words.counted", "--server", server.url, "--json").json
    assert (task["state"], task["attempt_no"], task["deaths"]) == ("SUCCEEDED", 2, 1)
    assert (hopeless["state"], hopeless["attempt_no"]) == ("FAILED", 1)
    assert "there is no folder" in hopeless["error"]["message"]
    assert {part.name: part.stat().st_ino for part in out.glob("parts/*.json")}.items() >= parts.items()
    texts = [event["payload"]["text"] for event in story["events"]]
    assert (
        len(texts) == len(set(texts)) >= 5
    )  # a kill between a part and its event may cost that event, and never the part
    made = json.loads((out / "counts.json").read_text("utf-8"))
    assert made["counts"] == dict(counted_directly())
    assert task["results"]["DRAWING"] == {
        "texts": 6, "words": counted_directly().total(), "different": len(counted_directly()),
        "counts": str(out / "counts.json"), "chart": str(out / "chart.svg"),
    }  # fmt: skip
    bars = ElementTree.parse(out / "chart.svg").getroot().findall(".//{http://www.w3.org/2000/svg}rect")
    assert len(bars) == 1 + 15
    assert not list(out.rglob(".*"))

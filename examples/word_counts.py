"""Word counts and a chart over a folder of text files, as a task that goes on where it was when its server dies.

    flightlog up --pipelines examples/word_counts.py                 # API, console and a worker, in one process
    curl -s http://127.0.0.1:4747/v1/tasks -H 'Content-Type: application/json' \\
         -d '{"pipeline": "word-counts", "input": {"folder": "examples/texts", "out": "counts", "pause_seconds": 2}}'

`kill -9` the server while it counts and start it again: the texts that were counted are not counted again.
The same without a server:

    python examples/word_counts.py examples/texts counts

The input: `folder` with *.txt files (UTF-8), `out` for what is made, and if wanted `top` (how many words the chart shows, 15) and
`pause_seconds` (how long to rest after each text, so that there is time to pull the plug). Paths are those of the worker's machine.
What is made: `counts.json`, `chart.svg`, and `parts/` with one file for each text.

How it survives: one text is one part, a file named by the digest of the text. A part appears whole or not at all (written beside,
synced, renamed), so whoever comes next finds what is done by looking, and a text that changed meanwhile is another part.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from flightlog.tasks import Unrecoverable, pipeline, step

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
TOP = 15
BAR_HEIGHT, LABEL_WIDTH, CHART_WIDTH, MARGIN = 22, 130, 640, 16


@pipeline("word-counts", states=["QUEUED", "COUNTING", "MERGING", "DRAWING"])
class WordCounts:
    """Three steps. What a step returns is kept with the task, and the next one finds it in `task.results`."""

    @step("COUNTING")
    def count(self, task: Any) -> list[str]:
        """Count each text that has no part yet; the names of all parts."""
        made = []
        for done, of, text, part, new in count_texts(*places(task.input)):
            made.append(part.name)
            if new:
                task.recorder.emit("words.counted", {"text": text.name, "part": part.name})
                time.sleep(task.input.get("pause_seconds", 0))
            task.progress(done / of * 0.9)
            task.check()  # ends here when somebody canceled the task
        return made

    @step("MERGING")
    def merge(self, task: Any) -> dict[str, Any]:
        """Add the parts up."""
        out = places(task.input)[1]
        found = merge(out, task.results["COUNTING"])
        write_whole(out / "counts.json", json.dumps(found, ensure_ascii=False, indent=1))
        return {key: found[key] for key in ("texts", "words", "different")}

    @step("DRAWING")
    def draw(self, task: Any) -> dict[str, Any]:
        """Draw the chart. What the last step returns is the result of the task."""
        out = places(task.input)[1]
        found = json.loads((out / "counts.json").read_text("utf-8"))
        write_whole(out / "chart.svg", chart(found, int(task.input.get("top", TOP))))
        return {**task.results["MERGING"], "counts": str(out / "counts.json"), "chart": str(out / "chart.svg")}


def places(given: Any) -> tuple[Path, Path]:
    """The folder of texts and where to write. Nothing that a second try could mend is wrong with a bad input."""
    try:
        folder, out = Path(given["folder"]), Path(given["out"])
    except (KeyError, TypeError) as error:
        raise Unrecoverable("the input has a `folder` of texts and an `out` for what is made of them") from error
    if not folder.is_dir():
        raise Unrecoverable(f"there is no folder {folder}")
    return folder, out


def count_texts(folder: Path, out: Path) -> Iterator[tuple[int, int, Path, Path, bool]]:
    """Count the texts of a folder. For each: how many are done, of how many, the text, its part, and whether that is new."""
    texts = sorted(folder.glob("*.txt"))
    (out / "parts").mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(texts, 1):
        body = text.read_bytes()
        part = out / "parts" / f"{hashlib.sha256(body).hexdigest()[:32]}.json"
        new = not part.exists()
        if new:
            counts = Counter(word.lower() for word in WORD.findall(body.decode("utf-8", errors="replace")))
            write_whole(part, json.dumps(counts, ensure_ascii=False))
        yield number, len(texts), text, part, new


def merge(out: Path, parts: list[str]) -> dict[str, Any]:
    """All parts as one: how many texts and words, how many different ones, and each with its count, the most frequent first."""
    total: Counter[str] = Counter()
    for name in parts:
        total.update(json.loads((out / "parts" / name).read_text("utf-8")))
    ordered = dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))
    return {"texts": len(parts), "words": total.total(), "different": len(total), "counts": ordered}


def chart(found: dict[str, Any], top: int) -> str:
    """The most frequent words as bars, as SVG."""
    shown = list(found["counts"].items())[:top]
    most = max((count for _, count in shown), default=1)
    width, height = CHART_WIDTH, MARGIN * 3 + BAR_HEIGHT * (len(shown) + 1)
    room = width - LABEL_WIDTH - MARGIN * 4
    title = f"{found['words']:,} words in {found['texts']} texts"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        "<style>text { font: 13px system-ui, sans-serif; fill: #1d2733 }</style>",
        f"<title>{title}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="{MARGIN + 12}">{title}</text>',
    ]
    for place, (word, count) in enumerate(shown):
        y = MARGIN * 2 + BAR_HEIGHT * (place + 1)
        long = round(room * count / most, 1)
        lines += [
            f'<text x="{LABEL_WIDTH}" y="{y}" text-anchor="end">{escape(word)}</text>',
            f'<rect x="{LABEL_WIDTH + 10}" y="{y - 13}" width="{long}" height="17" rx="2" fill="#2f6fb2"/>',
            f'<text x="{LABEL_WIDTH + 16 + long}" y="{y}">{count}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, whatever happens meanwhile, and stays after a power cut."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def main(folder: str, out: str, say: Callable[[str], object] = print) -> None:
    """The same work in this process, without a server."""
    parts = [part.name for _, _, _, part, _ in count_texts(Path(folder), Path(out))]
    found = merge(Path(out), parts)
    write_whole(Path(out, "counts.json"), json.dumps(found, ensure_ascii=False, indent=1))
    write_whole(Path(out, "chart.svg"), chart(found, TOP))
    say(f"{found['words']} words, {found['different']} different, in {found['texts']} texts: {out}/chart.svg")


if __name__ == "__main__":
    main(*sys.argv[1:3] if len(sys.argv) > 2 else ("examples/texts", "counts"))

"""Is the console fast in a real browser, at 50,000 events and at 200,000, and with 50 watchers?

A headless Chromium looks at a `flightlog up`. The frames are those of requestAnimationFrame while the wheel turns over the
timeline; on a machine without a graphics card they are drawn by the processor. The memory is what the tab's process holds for
itself alone. What is recorded here goes through a recorder's spool, the drain, the journal and the stream into the page.

    python bench/console.py [--events 50000 200000] [--clicks 5] [--probes 40] [--watchers 50] [--dir FOLDER]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Page

import flightlog
from flightlog.journal.append import Journal
from flightlog.runs.project import RunProjector
from flightlog.store.engine import open_store
from lib.browsing import WATCH, Watchers, click_through, memory, scroll_frames, seen, serve, weight
from lib.long_run import LongRun
from lib.table import print_table, quantile

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser.chromium import HOW_TO_GET_ONE, find_chromium, open_browser

FIRST_PAINT, LOADED = "flightlog:first-paint", "flightlog:loaded"
FIRST_PAINT_BARS = {50_000: 1_000, 200_000: 2_500}  # milliseconds, by events
FRAME_BAR_MS, MEMORY_BAR_MIB, WEIGHT_BAR_KIB, VISIBLE_BAR_MS = 20, 150, 150, 1_000
BATCH = 4_000
DAY_NS = 86_400 * 10**9


class Row(NamedTuple):
    """One line of the table; `worst` is what is held against the bar."""

    what: str
    unit: str
    middle: float | None
    worst: float | None
    bar: float | None = None

    def cells(self) -> list[str]:
        verdict = "" if self.bar is None else "not measured" if self.worst is None else _verdict(self.worst, self.bar)
        bar = "" if self.bar is None else f"≤ {self.bar:,}"
        return [f"{self.what}, {self.unit}", bar, _number(self.middle), _number(self.worst), verdict]


def _verdict(worst: float, bar: float) -> str:
    return "holds" if worst <= bar else "MISSED"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def fill(folder: Path, sizes: list[int]) -> dict[int, str]:
    """One run of each size, and its name."""
    store = open_store(folder, writable=True)
    journal = Journal(store, [RunProjector()])
    names = {}
    for number, size in enumerate(sizes):
        name = names[size] = f"a run of {size} events"
        run = LongRun(f"run-{size}", size, time.time_ns() - (number + 1) * DAY_NS, name=name)
        batch = []
        for event in run.events():
            batch.append(event)
            if len(batch) == BATCH:
                journal.append(batch, timeout=60)
                batch = []
        journal.append(batch, timeout=60)
    store.close()
    return names


def one_run(browser: Browser, url: str, size: int, name: str, clicks: int) -> list[Row]:
    """From the list to the run's timeline, and about in it."""
    context = browser.new_context(base_url=url, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    painted, loaded = [], []
    for _ in range(clicks):
        painted.append(click_through(page, "/", name, FIRST_PAINT))
        loaded.append(_mark_after(page, LOADED))
    frames = scroll_frames(page, 700, 600)
    heap, process = memory(browser, page)
    context.close()
    at = f"{size:,} events: "
    full_bar = MEMORY_BAR_MIB if size <= 50_000 else None
    return [
        _of(at + "click to first paint", "ms", painted, FIRST_PAINT_BARS.get(size)),
        _of(at + "click to all loaded", "ms", loaded, None),
        Row(at + "frame while scrolling", "ms p50, p95", quantile(frames, 0.5), quantile(frames, 0.95), FRAME_BAR_MS),
        Row(at + "JavaScript heap", "MiB", None, heap),
        Row(at + "memory of the tab", "MiB", None, process, full_bar),
    ]


def _mark_after(page: Page, mark: str) -> float | None:
    try:
        page.wait_for_function("name => performance.getEntriesByName(name).length", arg=mark, timeout=30_000)
    except Exception:
        return None
    found = page.evaluate(
        "name => performance.timeOrigin + performance.getEntriesByName(name)[0].startTime"
        " - Number(sessionStorage.getItem('clicked'))",
        mark,
    )
    return float(found)


def _of(what: str, unit: str, taken: list[float | None], bar: float | None) -> Row:
    known = sorted(value for value in taken if value is not None)
    if not known:
        return Row(what, f"{unit} median, worst", None, None, bar)
    return Row(what, f"{unit} median, worst of {len(known)}", quantile(known, 0.5), known[-1], bar)


def weights(browser: Browser, url: str, run: str) -> list[Row]:
    """What a first visit to each page loads."""
    rows = []
    for what, path in {"runs": "/", "one run": f"/runs/{run}", "events": "/events"}.items():
        context = browser.new_context(base_url=url)
        page = context.new_page()
        page.goto(path)
        page.wait_for_timeout(500)  # modules that others ask for
        found = weight(page)
        rows.append(Row(f"JavaScript and CSS of {what}", "KiB gzip", None, sum(found.values()) / 1024, WEIGHT_BAR_KIB))
        context.close()
    return rows


def visible(browser: Browser, url: str, folder: Path, probes: int, watchers: int) -> list[Row]:
    """From `note()` until the note is in the page, while others watch too."""
    crowd = Watchers(url, watchers - 1)
    chance = random.Random(4)
    rows = []
    with flightlog.open(folder, drain=False) as recorder, recorder.run("probed") as run:
        run.note("here")
        assert recorder.flush(timeout=30)
        for what, path in {"events": "/events", "run": f"/runs/{run.id}?view=events"}.items():
            context = browser.new_context(base_url=url)
            page = context.new_page()
            page.goto(path)
            page.wait_for_selector("#live:not([hidden])", timeout=10_000)
            page.wait_for_timeout(1_000)
            page.evaluate(WATCH)
            recorded = {}
            for number in range(probes):
                recorded[number] = time.time()
                run.note(f"probe {number}.")
                page.wait_for_timeout(chance.randrange(100, 400))
            page.wait_for_timeout(3_000)
            found = seen(page)
            late = sorted((found[number] - at) * 1_000 for number, at in recorded.items() if number in found)
            missing = f", {probes - len(late)} NEVER SEEN" if len(late) < probes else ""
            said = f"recorded to visible, {what} page, {watchers} watchers"
            middle, worst = (quantile(late, 0.5), quantile(late, 0.95)) if late else (None, None)
            rows.append(Row(said, f"ms p50, p95 of {len(late)}{missing}", middle, worst, VISIBLE_BAR_MS))
            context.close()
    crowd.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[50_000, 200_000])
    parser.add_argument("--clicks", type=int, default=5)
    parser.add_argument("--probes", type=int, default=40)
    parser.add_argument("--watchers", type=int, default=50)
    parser.add_argument("--dir", type=Path)
    given = parser.parse_args()
    path = find_chromium()
    if path is None:
        print(f"The console needs a browser to be measured: {HOW_TO_GET_ONE}.")
        return
    with tempfile.TemporaryDirectory() as temp:
        folder = given.dir or Path(temp) / "flight"
        names = fill(folder, given.events)
        with serve(folder) as url:
            rows = []
            for size, name in names.items():
                with open_browser(
                    path
                ) as browser:  # a process of its own for each, or one would hold the other's memory
                    rows += one_run(browser, url, size, name, given.clicks)
            with open_browser(path) as browser:
                rows += weights(browser, url, f"run-{given.events[0]}")
                rows += visible(browser, url, folder, given.probes, given.watchers)
                version = browser.version
    columns = ["", "bar", "middle", "worst", ""]
    print_table("The console in a browser", columns, [row.cells() for row in rows], [f"Chromium {version}, headless"])


if __name__ == "__main__":
    main()

"""What a bench asks of a page in a real browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024

CLICKED = """link => link.addEventListener("click", () =>
  sessionStorage.setItem("clicked", performance.timeOrigin + performance.now()))"""
SINCE_CLICK = """name => {
  const [mark] = performance.getEntriesByName(name);
  return mark ? performance.timeOrigin + mark.startTime - Number(sessionStorage.getItem("clicked")) : null;
}"""
START_FRAMES = """() => {
  const frames = (window.benchFrames = []);
  let last = performance.now();
  const step = (now) => { frames.push(now - last); last = now; window.benchStop || requestAnimationFrame(step); };
  window.benchStop = false;
  requestAnimationFrame(step);
}"""
SCROLLED = "() => Math.max(...[...document.querySelectorAll('main, main *')].map((element) => element.scrollTop))"
STOP_FRAMES = "() => { window.benchStop = true; return window.benchFrames.slice(2); }"
WEIGHT = """() => performance.getEntriesByType("resource")
  .filter((entry) => /\\.(js|css)$/.test(new URL(entry.name).pathname))
  .map((entry) => [new URL(entry.name).pathname, entry.encodedBodySize])"""
WATCH = """() => {
  const seen = (window.benchSeen = {});
  const look = (node) => {
    for (const [, number] of (node.textContent ?? "").matchAll(/probe (\\d+)\\./g)) seen[number] ??= Date.now();
  };
  new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach(look)))
    .observe(document.body, { childList: true, subtree: true });
}"""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """`flightlog up` on the folder; its URL."""
    command = [sys.executable, "-m", "flightlog.cli.main", "up", "--dir", str(folder), "--port", "0", "--json"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield str(json.loads(process.stdout.readline())["url"])
        finally:
            process.terminate()


def click_through(page: Page, list_path: str, name: str, mark: str) -> float | None:
    """Milliseconds from the click on a run in the list until the mark on its page; None where it sets none in time."""
    page.goto(list_path)
    link = page.get_by_role("link", name=name).first
    link.evaluate(CLICKED)
    link.click()
    page.wait_for_url("**/runs/**")
    until = time.monotonic() + 30
    while time.monotonic() < until:
        taken = page.evaluate(SINCE_CLICK, mark)
        if taken is not None:
            return float(taken)
        page.wait_for_timeout(50)
    return None


def scroll_frames(page: Page, x: float, y: float, turns: int = 150, pixels: int = 240) -> list[float]:
    """Milliseconds between frames while the wheel turns over a point, sorted; something there has to scroll."""
    page.mouse.move(x, y)
    page.evaluate(START_FRAMES)
    for turn in range(turns):
        page.mouse.wheel(0, pixels if turn < turns * 2 // 3 else -pixels)
        page.wait_for_timeout(16)
    frames = sorted(page.evaluate(STOP_FRAMES))
    assert page.evaluate(SCROLLED) > turns * pixels / 10, "the wheel turned and nothing scrolled"
    return frames


def memory(browser: Browser, page: Page) -> tuple[float, float]:
    """MiB: the JavaScript heap after a collection, and what the tab's process holds for itself alone."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    renderers = [_private(one["id"]) for one in found if one["type"] == "renderer"]
    return metrics["JSHeapUsedSize"] / MIB, max(renderers, default=0.0)


def _private(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def weight(page: Page) -> dict[str, int]:
    """The scripts and style sheets of a page that was opened, by path, in bytes as they came over the line."""
    page.wait_for_load_state("load")
    return {str(path): int(size) for path, size in page.evaluate(WEIGHT)}


class Watchers:
    """So many clients of the stream of all events, who read and throw away."""

    def __init__(self, url: str, count: int) -> None:
        self._url = f"{url}/api/events/stream?payloads=false"
        self._stop = threading.Event()
        self._open = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._read, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()
        for _ in self._threads:
            assert self._open.acquire(timeout=30), "a watcher did not get its stream"

    def _read(self) -> None:
        with httpx.stream("GET", self._url, timeout=None) as answer:
            answer.raise_for_status()
            self._open.release()
            for _ in answer.iter_lines():
                if self._stop.is_set():
                    return

    def close(self) -> None:
        """Let go; the threads end with the server."""
        self._stop.set()


def seen(page: Page) -> dict[int, float]:
    """When each probe came into the page, in seconds since 1970, after WATCH."""
    found: dict[str, Any] = page.evaluate("() => window.benchSeen")
    return {int(number): at / 1_000 for number, at in found.items()}

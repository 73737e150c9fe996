"""The browser that the tests use, and an eye on everything that goes wrong in it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

CHOICE = "FLIGHTLOG_TEST_CHROMIUM"
HOW_TO_GET_ONE = f"install Debian's `chromium`, or name one in {CHOICE}"
# No sandbox: the pages are our own, and a container has no namespaces to build one from.
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--font-render-hinting=none"]
# As a function: an expression would be evaluated from a string, which the pages rightly forbid.
LOADED = "() => performance.getEntriesByName('flightlog:loaded').length > 0"
# How long to wait for what is expected of a page: a machine that is busy takes its time, and who finds it sooner waits no longer.
expect.set_options(timeout=20_000)
WIDTHS = {1440: 800, 375: 740}  # pixels, with the height that goes with each


def find_chromium() -> str | None:
    """The browser to use: the one that is named (`none` for none), Debian's, or the first on PATH."""
    named = os.environ.get(CHOICE)
    if named:
        return None if named == "none" else named
    if Path("/usr/bin/chromium").exists():
        return "/usr/bin/chromium"
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def open_browser(path: str, *arguments: str) -> Iterator[Browser]:
    """A Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments])
        yield browser
        browser.close()


class Visits:
    """Opens pages as fresh visitors, and notes what no page should do: errors, and requests that leave the host."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._host = urlsplit(url).netloc
        self._contexts: list[BrowserContext] = []
        self._expected: list[re.Pattern[str]] = []
        self._wrong: list[str] = []
        self.url = url

    def open(
        self, path: str = "/", *, width: int = 1440, theme: str = "light", scripts: bool = True, **more: Any
    ) -> Page:
        """A page of the console in a browser profile of its own."""
        context = self._browser.new_context(
            base_url=self.url,
            viewport={"width": width, "height": WIDTHS.get(width, 900)},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
            java_script_enabled=scripts,
            **more,
        )
        context.set_default_timeout(20_000)
        context.on("console", lambda message: message.type == "error" and self._note(f"console: {message.text}"))
        context.on("weberror", lambda error: self._note(f"page error: {error.error}"))
        context.on("request", lambda request: self._check_host(request.url))
        self._contexts.append(context)
        page = context.new_page()
        page.goto(path)
        return page

    def get(self, path: str) -> Any:
        """What the API answers."""
        answer = httpx.get(self.url + path, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Any) -> Any:
        """What the API answers to somebody who has no page open: a page with nothing on it loads again when there is something."""
        answer = httpx.post(self.url + path, json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def expect(self, pattern: str) -> None:
        """Errors like this one are part of the test."""
        self._expected.append(re.compile(pattern))

    def wrong(self) -> list[str]:
        """What went wrong so far and was not expected."""
        return [text for text in self._wrong if not any(pattern.search(text) for pattern in self._expected)]

    def close(self) -> None:
        """Close all pages."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()

    def _check_host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob", "about") and parts.netloc != self._host:
            self._note(f"a request left the host: {url}")

    def _note(self, text: str) -> None:
        self._wrong.append(text)


@contextmanager
def visiting(browser: Browser, url: str) -> Iterator[Visits]:
    """Pages of the server there, closed at the end. AssertionError where one of them had an error or asked another host."""
    visits = Visits(browser, url)
    yield visits
    visits.close()
    assert not visits.wrong()

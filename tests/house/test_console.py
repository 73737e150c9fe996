"""What the console may not do, as far as its files can be asked; the rest is asked of a browser in tests/browser."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from tests.house.test_floors import SRC

STATIC = SRC / "console" / "static"
TEMPLATES = SRC / "console" / "templates"
SCRIPTS = sorted(STATIC.rglob("*.js"))
SHEETS = sorted(STATIC.rglob("*.css"))
PAGES = sorted(TEMPLATES.glob("*.html"))
WEIGHT_MAX_BYTES = 150 * 1024

# What turns text into markup or code, or asks another host for something.
FORBIDDEN_IN_SCRIPTS = {
    r"\beval\(": "eval",
    r"new Function\b": "new Function",
    r"\.(inner|outer)HTML\s*\+?=(?!=)": "innerHTML with data",
    r"insertAdjacentHTML|document\.write": "markup from text",
    r"setAttribute\(\s*[\"']on": "a handler in an attribute",
    r"setTimeout\(\s*[\"'`]": "code as text",
    r"[\"'`](https?:)?//(?!www\.w3\.org/)[a-z]": "another host",
}
FORBIDDEN_IN_TEMPLATES = {
    r"\sstyle=": "a style attribute, which the policy forbids",
    r"\son[a-z]+=": "a handler in an attribute",
    r"<script(?![^>]*\ssrc=)": "an inline script",
    r"<style": "an inline style sheet",
    r"(href|src|action)=\"(https?:)?//": "another host",
    r"\|\s*safe\b": "text that is passed off as markup",
    r"javascript:": "code in a link",
}


def name_of(path: Path) -> str:
    return str(path.relative_to(SRC / "console"))


def found_in(path: Path, forbidden: dict[str, str]) -> list[str]:
    text = path.read_text("utf-8")
    return [what for pattern, what in forbidden.items() if re.search(pattern, text)]


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_scripts_make_no_markup_of_text_and_ask_no_other_host(path: Path) -> None:
    assert found_in(path, FORBIDDEN_IN_SCRIPTS) == []


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_templates_keep_to_the_policy(path: Path) -> None:
    assert found_in(path, FORBIDDEN_IN_TEMPLATES) == []


@pytest.mark.parametrize("path", SHEETS, ids=name_of)
def test_style_sheets_bring_nothing_from_elsewhere(path: Path) -> None:
    assert not re.search(r"@import|url\(['\"]?(https?:)?//", path.read_text("utf-8"))


def test_all_scripts_and_sheets_together_are_light() -> None:
    """The bar is for one page; while all of them fit, no page has to be looked at."""
    packed = {name_of(path): len(gzip.compress(path.read_bytes(), 6)) for path in (*SCRIPTS, *SHEETS)}
    assert sum(packed.values()) <= WEIGHT_MAX_BYTES, packed


def test_every_script_and_sheet_is_used() -> None:
    texts = [path.read_text("utf-8") for path in (*SCRIPTS, *PAGES)]
    unused = [name_of(path) for path in (*SCRIPTS, *SHEETS) if not any(path.name in text for text in texts)]
    assert not unused, f"nothing loads {unused}"

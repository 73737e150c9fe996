"""Docs that can be checked are checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flightlog.config import HELP, Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])


def test_every_setting_has_a_line_of_help_and_a_line_of_docs() -> None:
    page = (DOCS / "reference" / "settings.md").read_text("utf-8")
    assert set(HELP) == set(Settings.__struct_fields__)
    missing = [name for name in Settings.__struct_fields__ if f"`{name}`" not in page]
    assert not missing, f"docs/reference/settings.md says nothing of {missing}"


def test_the_settings_page_states_the_defaults_in_force() -> None:
    page = (DOCS / "reference" / "settings.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([a-z0-9_]+)` \| `([^`]*)` \|", page, re.MULTILINE))
    assert rows == {name: _shown(getattr(Settings(), name)) for name in Settings.__struct_fields__}


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    queue = [ROOT / "README.md"]
    while queue:
        page = queue.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        targets = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
        queue += [(page.parent / target).resolve() for target in targets if "://" not in target]
    lost = [str(page.relative_to(ROOT)) for page in PAGES if page.resolve() not in {path.resolve() for path in seen}]
    assert not lost, f"no page links to {lost}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_the_docs_is_python(page: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL):
        compile(code, str(page), "exec")

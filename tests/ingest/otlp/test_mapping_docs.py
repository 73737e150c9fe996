"""The reference says of every attribute where it goes, and nothing of attributes that nobody reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flightlog.ingest.otlp.mapping import MAPPING_VERSION
from flightlog.ingest.otlp.mapping.declare import FIELDS, MANY, Dialect
from flightlog.ingest.otlp.mapping.dialects import DIALECTS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "opentelemetry.md"


def place(field: str) -> str:
    """Where a field goes, in the words of the page."""
    if field.startswith("parameters."):
        return f"`request.{field}`"
    if field.startswith("attributes."):
        return f"`attributes`, as `{field[11:]}`"
    return FIELDS[field]


def table(dialect: Dialect) -> list[str]:
    """The rows of a dialect's table."""
    rows = [f"| `{key}` | {place(take.field)} |" for key, take in dialect.keys.items()]
    return rows + [f"| `{prefix}<n>.…` | {place(family.field)} |" for prefix, family in dialect.prefixes.items()]


def section(title: str) -> str:
    found = re.search(rf"^### {re.escape(title)}\n(.*?)(?=^##|\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found, f"the page has no part about {title}"
    return found[1]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.title)
def test_the_table_of_a_dialect_is_its_table(dialect: Dialect) -> None:
    written = section(dialect.title)
    assert [line for line in written.splitlines() if line.startswith("| `")] == table(dialect)
    assert f"Version: {dialect.version}." in written
    if dialect.name:
        assert f"`{dialect.name}`" in written


def test_the_page_names_the_version_of_the_mapping() -> None:
    assert f"version {MAPPING_VERSION}" in PAGE.read_text("utf-8")


def test_every_field_has_a_place() -> None:
    used = {take.field for dialect in DIALECTS for take in (*dialect.keys.values(), *dialect.prefixes.values())}
    named = {field for field in used if not field.startswith(("parameters.", "attributes."))}
    assert named <= FIELDS.keys()
    assert MANY in FIELDS

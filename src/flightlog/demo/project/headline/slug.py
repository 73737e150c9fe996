"""Titles as parts of a URL."""

from __future__ import annotations

import re

_OTHER = re.compile(r"[^a-z0-9]+")


def slugify(title: str, length_max: int = 60) -> str:
    """Lower-case ASCII words joined by dashes, at most `length_max` long, without a dash at either end."""
    slug = _OTHER.sub("-", title.lower()).strip("-")
    return slug[:length_max]

"""Recording patches: which files a diff touches, and the diff itself."""

from __future__ import annotations

from typing import Any

from flightlog.events.diff import parse_diff
from flightlog.events.payload import describe_error
from flightlog.recorder.helpers.base import as_text, attempt, without_nones


def patch_payload(diff: object, error: BaseException | None, extra: dict[str, Any]) -> dict[str, Any]:
    """The payload of a patch event. A diff that can't be read has no files."""
    text = as_text(diff) if diff is not None else None
    parsed, unread = attempt(parse_diff, text or "")
    files = parsed.files if unread is None else []
    payload = {
        "files": [file.as_payload() for file in files],
        "added": sum(file.added for file in files),
        "deleted": sum(file.deleted for file in files),
        "diff": text,
        "error": describe_error(error) if error is not None else None,
    }
    return {**extra, **without_nones(payload)}


def patch_name(payload: dict[str, Any]) -> str | None:
    """What a patch is called in lists.

    >>> patch_name({"files": [{"path": "a.py"}, {"path": "b.py"}]})
    'a.py and 1 more'
    """
    files = payload["files"]
    if not files:
        return None
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{files[0]['path']}{more}"

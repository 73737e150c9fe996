"""What a test session runs in and with, said in a few words."""

from __future__ import annotations

import subprocess
from pathlib import Path

GIT_SECONDS_MAX = 3.0
PARAM_CHARS_MAX = 200


def shown(value: object) -> str:
    """A parameter as text, not too long of it. Never raises: it may be anybody's object."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception:
        return f"[unprintable {type(value).__name__}]"
    return text if len(text) <= PARAM_CHARS_MAX else text[: PARAM_CHARS_MAX - 1] + "…"


def git_of(folder: Path) -> dict[str, object]:
    """The commit that the tests are of, and whether files differ from it; nothing where git does not say."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]  # whatever git the tests' own tools would find
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS_MAX, check=True)  # noqa: S603
        return done.stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        return {"git_commit": commit, "git_branch": git("rev-parse", "--abbrev-ref", "HEAD"),
                "git_dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return {}

"""Does the host notice when things go wrong? A full disk, no folder, a clock that runs backwards, a crowd.

Runs the hostile processes of the crash tests and prints what each tried, lost and waited for at most.

    python bench/adversity.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from lib.table import print_table

ROOT = Path(__file__).parents[1]
CONDITIONS = {
    "disk_full": "a disk of 8 MB fills up, later has room",
    "read_only": "the folder can't be written, later can",
    "deleted_folder": "the folder is deleted, twice",
    "clock_backwards": "the clock runs backwards",
    "crowd": "8 processes of 8 threads on this machine",
}


def fly(condition: str, folder: Path) -> dict[str, Any]:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-m", "tests.crash.hostile", condition, str(folder / "flight")]
    if condition == "disk_full":
        script = f"mount -t tmpfs -o size=8m tmpfs {folder} && {' '.join(command)}"
        command = ["unshare", "-rm", "sh", "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    rows = []
    for condition, words in CONDITIONS.items():
        with tempfile.TemporaryDirectory() as temp:
            report = fly(condition, Path(temp))
        reasons = ", ".join(f"{name} {count:,}" for name, count in report["by_reason"].items()) or "none"
        rows.append([words, f"{report['tried']:,}", report["raised"], f"{report['longest_ms']:.1f}", reasons])
    print_table(
        "Recording when things go wrong", ["condition", "emits", "raised", "longest ms", "lost, and counted"], rows
    )


if __name__ == "__main__":
    main()

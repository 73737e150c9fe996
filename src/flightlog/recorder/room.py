"""How much of the disk the spool has and may have."""

from __future__ import annotations

import os
from pathlib import Path

from flightlog.config import Settings
from flightlog.recorder.segment import SUFFIX


def look(folder: Path, settings: Settings) -> tuple[int, int]:
    """The bytes that the segments of a spool folder take, and the most that they may take now. Raises OSError.

    The most is `spool_bytes_max`, or less on a disk that has no room for it beside `spool_reserve_bytes`.
    """
    used = folder_bytes(folder)
    disk = os.statvfs(folder)
    free = max(disk.f_bavail * disk.f_frsize - settings.spool_reserve_bytes, 0)
    return used, min(settings.spool_bytes_max, used + free)


def folder_bytes(folder: Path) -> int:
    """Bytes of all segments in a spool folder."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                try:
                    total += entry.stat().st_size
                except FileNotFoundError:
                    continue
    return total

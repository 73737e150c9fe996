"""How much of the disk each part takes, without looking at every file each time."""

from __future__ import annotations

import os
import threading
from pathlib import Path


class FolderSizes:
    """Sizes of folders of files that are written once. A folder whose time of change is as it was is not listed again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int, list[str]]] = {}
        self._lock = threading.Lock()

    def bytes_in(self, folder: Path) -> int:
        """All that lies in the folder, at any depth; 0 where there is none."""
        with self._lock:
            total, queue = 0, [str(folder)]
            while queue:
                size, inner = self._look(queue.pop())
                total += size
                queue += inner
            return total

    def _look(self, folder: str) -> tuple[int, list[str]]:
        try:
            changed = os.stat(folder).st_mtime_ns
        except OSError:
            self._known.pop(folder, None)
            return 0, []
        known = self._known.get(folder)
        if known is not None and known[0] == changed:
            return known[1], known[2]
        size, inner = 0, []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    try:
                        if entry.is_dir(follow_symlinks=False):
                            inner.append(entry.path)
                        else:
                            size += entry.stat(follow_symlinks=False).st_size
                    except OSError:
                        continue  # gone in this moment
        except OSError:
            pass
        self._known[folder] = (changed, size, inner)
        return size, inner


def size_of(path: Path) -> int:
    """The size of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def free_bytes(folder: Path) -> int:
    """How much an ordinary user may still write where the folder lies."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize

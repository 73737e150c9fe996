"""What went wrong where no step said so itself."""

from __future__ import annotations

DEADLINE = {"kind": "deadline", "message": "its deadline passed"}
LOST = {"kind": "lost", "message": "its worker died"}
HANDED_BACK = {"kind": "handed_back", "message": "its worker stopped"}
CANCELED_STEP = {"kind": "canceled", "message": "it was canceled"}

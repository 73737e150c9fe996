"""The journal: the one append-only log of events."""

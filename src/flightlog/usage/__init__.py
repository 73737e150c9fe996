"""Usage: what a user may use, what is held for tasks under way, and what was used."""

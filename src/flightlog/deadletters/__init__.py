"""Dead letters: what failed for good, why, and having it done again."""

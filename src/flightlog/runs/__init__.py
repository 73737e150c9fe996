"""Runs: a small summary per run, kept in step with the journal."""

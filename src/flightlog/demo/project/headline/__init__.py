"""Titles of articles, for readers and for URLs."""

"""Saved views: a page of the console as somebody filtered and sorted it, under a name."""

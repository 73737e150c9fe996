"""Retention: how long what is kept, legal holds, and the receipts of what was removed."""

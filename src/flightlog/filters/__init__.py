"""What is asked for: the words of a query, read once for every door."""

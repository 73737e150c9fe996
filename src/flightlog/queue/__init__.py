"""The queue: which attempt of which task waits for a worker, in a fair order, and who has it."""

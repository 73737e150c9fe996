"""The outbox: what has to be told to others, written in the transaction that it tells of."""

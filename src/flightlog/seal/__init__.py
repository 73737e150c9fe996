"""Proof that the journal was not altered: a Merkle tree over every event, and signed checkpoints of it."""

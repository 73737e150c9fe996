"""The noun: what an event is, which types there are, and how any object becomes its payload."""

"""The door for people at a terminal: one file per verb."""

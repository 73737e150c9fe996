"""Drills: what a server promises of its tasks, tried out over HTTP on samples of the drill's own, which are cleaned up."""

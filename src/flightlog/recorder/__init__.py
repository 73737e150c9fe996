"""Recording: from a call in the host's code to bytes in the spool, and from the spool into a sink."""

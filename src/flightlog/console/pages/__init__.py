"""One file per screen: what it knows, and how it comes to know it."""

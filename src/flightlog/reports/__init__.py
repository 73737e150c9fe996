"""Reports: what was recorded, as pages that are read and filed without a server. Made from the journal, never typed."""

"""The database: one writer thread, read-only readers, migrations."""

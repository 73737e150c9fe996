"""The archive: closed stretches of the journal as immutable Parquet files, and the manifest that says which there are."""

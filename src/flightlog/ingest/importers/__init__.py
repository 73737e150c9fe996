"""Importers: files that other tools wrote, read into events. One module per format; `ingest.files` runs them."""

"""Lawful erasure: payloads go, everywhere; that they went, why and by whom stays."""

"""Every test in this folder runs once per database."""

from tests.contract.conftest import backend, store

__all__ = ["backend", "store"]

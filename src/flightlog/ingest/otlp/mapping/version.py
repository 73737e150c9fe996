"""Which mapping wrote an event."""

MAPPING_VERSION = 1

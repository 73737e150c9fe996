"""Which mapping wrote an event."""

# 2: where an event came from is said once, by the `resource` event that it names; what its type, its name or its envelope
# says is not repeated.
MAPPING_VERSION = 2

"""From decoded OpenTelemetry records to events: what each attribute of each dialect means is a table, not a branch.

The functions are pure and never raise for anything inside a decoded record; every event that they give passes
`check_event`. `MAPPING_VERSION` grows whenever the same record would become another event.
"""

from flightlog.ingest.otlp.mapping.logs import map_log
from flightlog.ingest.otlp.mapping.metrics import map_metric
from flightlog.ingest.otlp.mapping.origin import map_resource, origin_of
from flightlog.ingest.otlp.mapping.spans import Mapped, map_span, mapped_span
from flightlog.ingest.otlp.mapping.version import MAPPING_VERSION

__all__ = ["MAPPING_VERSION", "Mapped", "map_log", "map_metric", "map_resource", "map_span", "mapped_span", "origin_of"]

"""OpenTelemetry's way in: spans, log records and metrics, decoded, mapped onto events, appended."""

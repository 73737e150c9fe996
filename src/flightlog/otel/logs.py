"""The SDK's doors for log records, in which some instrumentations put what was said."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk import _logs as sdk
from opentelemetry.sdk._logs.export import LogRecordExporter as SdkLogRecordExporter
from opentelemetry.sdk._logs.export import LogRecordExportResult

from flightlog.otel.writing import Target, Writer, is_ours


class LogRecordProcessor(sdk.LogRecordProcessor):
    """Records each log record when it is emitted. `target` is a Recorder, or a folder or URL as `flightlog.open` takes it."""

    def __init__(self, target: Target) -> None:
        self._writer = Writer(target)

    def on_emit(self, log_record: sdk.ReadWriteLogRecord) -> None:
        """Called by the SDK. Never raises."""
        if not is_ours():
            self._writer.log(log_record)  # type: ignore[arg-type]  # read alike

    def shutdown(self) -> None:
        """Called by the SDK at its end: closes the recorder, unless it was handed in."""
        self._writer.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True: nothing waits here."""
        return True


class LogRecordExporter(SdkLogRecordExporter):
    """The same for a processor of the SDK's own."""

    def __init__(self, target: Target) -> None:
        self._writer = Writer(target)

    def export(self, batch: Sequence[sdk.ReadableLogRecord]) -> LogRecordExportResult:
        """FAILURE when any of them was dropped, which the recorder has counted then. Never raises."""
        taken = [self._writer.log(record) for record in batch]
        return LogRecordExportResult.SUCCESS if all(taken) else LogRecordExportResult.FAILURE

    def shutdown(self) -> None:
        """Close the recorder, unless it was handed in."""
        self._writer.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True: nothing waits here."""
        return True

"""Other receivers of OpenTelemetry, installed into an environment of their own and measured with the same sender."""

from __future__ import annotations

from collections.abc import Callable


def measure(
    export: Callable[..., float], cpu_seconds: Callable[[int], float], rss_mib: Callable[[int], float], sink_rate: float
) -> list[list[str]]:
    """One row for each."""
    return []

"""The dialects, those first that win where two say the same field."""

from __future__ import annotations

from flightlog.ingest.otlp.mapping.declare import Dialect
from flightlog.ingest.otlp.mapping.dialects.every_span import EVERY_SPAN
from flightlog.ingest.otlp.mapping.dialects.genai import GENAI
from flightlog.ingest.otlp.mapping.dialects.langfuse import LANGFUSE
from flightlog.ingest.otlp.mapping.dialects.logfire import LOGFIRE
from flightlog.ingest.otlp.mapping.dialects.mlflow import MLFLOW
from flightlog.ingest.otlp.mapping.dialects.openinference import OPENINFERENCE
from flightlog.ingest.otlp.mapping.dialects.openllmetry import OPENLLMETRY
from flightlog.ingest.otlp.mapping.dialects.vercel import VERCEL

DIALECTS: tuple[Dialect, ...] = (EVERY_SPAN, GENAI, OPENLLMETRY, OPENINFERENCE, VERCEL, LOGFIRE, MLFLOW, LANGFUSE)

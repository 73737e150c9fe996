"""MLflow Tracing: `mlflow/mlflow mlflow/tracing/constant.py`. Values are JSON texts."""

from __future__ import annotations

from typing import Any

from flightlog.ingest.otlp.mapping.declare import MANY, Dialect, Fields, Take
from flightlog.ingest.otlp.mapping.messages import tools_of
from flightlog.ingest.otlp.mapping.requests import cost_of, usage_of
from flightlog.ingest.otlp.mapping.values import loose, one_of, provider, text

_TYPES = {
    "llm": "chat",
    "chat_model": "chat",
    "embedding": "embeddings",
    "agent": "invoke_agent",
    "tool": "execute_tool",
    "retriever": "retrieval",
    "reranker": "rerank",
    "chain": "chain",
    "workflow": "invoke_workflow",
    "task": "execute_task",
    "guardrail": "guardrail",
    "evaluator": "evaluate",
    "parser": "parse",
    "memory": "memory",
}


def unquoted(value: Any) -> Any:
    """A text out of its JSON text, if it is one."""
    if type(value) is str and len(value) > 1 and value[0] == value[-1] == '"':
        given = loose(f"[{value}]")
        return given[0] if type(given) is list else value
    return loose(value)


def _text(value: Any) -> str | None:
    return text(unquoted(value))


def _type(value: Any) -> Any:
    return one_of(_TYPES)(unquoted(value))


def _provider(value: Any) -> Any:
    return provider(unquoted(value))


def _usage(value: Any) -> Fields | None:
    return usage_of(value)


MLFLOW = Dialect(
    "mlflow",
    "MLflow Tracing",
    "3",
    {
        "mlflow.spanType": Take("operation", _type),
        "mlflow.spanInputs": Take("input", unquoted),
        "mlflow.spanOutputs": Take("output", unquoted),
        "mlflow.chat.tokenUsage": Take(MANY, _usage),
        "mlflow.chat.tools": Take("tools", tools_of),
        "mlflow.llm.cost": Take("cost_usd", cost_of("total_cost")),
        "mlflow.llm.model": Take("model", _text),
        "mlflow.llm.provider": Take("provider", _provider),
    },
)

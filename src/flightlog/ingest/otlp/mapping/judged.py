"""Evaluations become feedback: `gen_ai.evaluation.result`, and OpenInference's evaluations and annotations."""

from __future__ import annotations

from typing import Any

from flightlog.events.envelope import Event
from flightlog.ingest.otlp.mapping.making import digest_of, encoded, fitted
from flightlog.ingest.otlp.mapping.values import number, text
from flightlog.ingest.otlp.model import Origin

Judgement = dict[str, Any]

_JUDGES = {"HUMAN": "reviewer", "LLM": "model", "CODE": "code"}
_OTEL = {
    "gen_ai.evaluation.name": "name",
    "gen_ai.evaluation.score.value": "score",
    "gen_ai.evaluation.score.label": "label",
    "gen_ai.evaluation.explanation": "explanation",
}


def judgement_of(attributes: dict[str, Any]) -> Judgement:
    """name, score, label, explanation of a `gen_ai.evaluation.result`; the rest under its own names."""
    return {_OTEL.get(key, key): value for key, value in attributes.items()}


def feedback_of(
    judgement: Judgement,
    target_type: str,
    target_id: str,
    at_ns: int,
    origin: Origin,
    run_id: str | None,
    trace_id: str | None,
    span_id: str | None,
) -> Event:
    """The feedback that one judgement is: a score where it has one, else a label, else a comment."""
    rest = dict(judgement)
    payload: dict[str, Any] = {"target_id": target_id, "target_type": target_type}
    score, label, said = number(rest.get("score")), text(rest.get("label")), text(rest.get("explanation"))
    if score is not None:
        payload |= {"kind": "score", "value": score}
        del rest["score"]
    elif label is not None:
        payload |= {"kind": "label", "value": label}
        del rest["label"]
    else:
        payload["kind"] = "comment"
    if name := text(rest.get("name")):
        payload["name"] = name
        del rest["name"]
    if said is not None:
        payload["comment"] = said
        del rest["explanation"]
    if (judge := _judge(rest.get("annotator_kind"))) is not None:
        payload["given_by"] = judge
        del rest["annotator_kind"]
    if key := text(rest.get("identifier")):
        payload["key"] = f"{name}:{key}" if name else key
        del rest["identifier"]
    if rest:
        payload["attributes"] = rest
    data, flags = encoded(payload)
    return Event(
        event_id="feedback-" + digest_of((target_type, target_id, trace_id, span_id, at_ns, judgement))[:40],
        type="feedback",
        created_at=at_ns,
        project=origin.project,
        run_id=run_id,
        name=fitted(name, "name"),
        source=origin.source,
        trace_id=trace_id,
        span_id=span_id,
        flags=flags,
        payload=data,
    )


def _judge(value: Any) -> str | None:
    return _JUDGES.get(value.upper()) if type(value) is str else None

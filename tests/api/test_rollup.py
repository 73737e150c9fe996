"""A run's totals over HTTP."""

from __future__ import annotations

from flightlog.api.app import Services
from tests.api.serving import Client, event


def test_a_run_is_added_up(client: Client, services: Services) -> None:
    usage = {"input_tokens": 10, "output_tokens": 2, "cached_input_tokens": 4}
    services.journal.append(
        [
            event(1, "llm_response", run_id="a/b", name="m", payload={"usage": usage, "cost_usd": 0.5}, duration_ns=7),
            event(2, "tool_result", run_id="a/b", name="ls", status="error", duration_ns=5),
            event(3, "error", run_id="a/b", payload={"message": "bad"}),
        ]
    )
    found = client.get("/api/runs/a/b/rollup").json()
    took = {"duration_ns_total": 7, "duration_ns_p50": 7, "duration_ns_p95": 7}
    tokens = {"tokens_input": 10, "tokens_output": 2, "tokens_cached_input": 4, "cost_usd": 0.5}
    assert found["models"] == [{"model": "m", "calls": 1, "errors": 0, **took, **tokens}]
    assert (found["tools"][0]["tool"], found["tools"][0]["errors"]) == ("ls", 1)
    assert found["errors"] == [{"id": 3, "type": "error", "name": "", "message": "bad"}]
    assert found["decisions"] == {"granted": 0, "denied": 0}


def test_a_run_that_is_not_there_and_a_parameter_that_is_not_known_are_problems(client: Client) -> None:
    assert client.get("/api/runs/none/rollup").json()["code"] == 40401
    assert client.get("/api/runs/none/rollup?x=1").status_code == 400

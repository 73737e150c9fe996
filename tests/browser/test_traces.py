"""Model calls in a browser: sent by OpenTelemetry, watched as they come, judged, found again, handed on."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import Visits
from tests.browser.flights import Flown

HEAD = "tr[data-trace]"


def send_call(page: Page, url: str, answer: str, model: str = "gpt-4o-mini") -> None:
    """One chat span by OTLP, as the exporter of any language sends it."""
    now = time.time_ns()
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Where is it?"}]}]),
        "gen_ai.output.messages": json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": "stop"}]
        ),
    }
    span = {
        "traceId": uuid4().hex,
        "spanId": uuid4().hex[:16],
        "name": f"chat {model}",
        "kind": 3,
        "startTimeUnixNano": str(now - 2_000_000_000),
        "endTimeUnixNano": str(now),
        "attributes": attributes(told),
    }
    body = {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes({"service.name": "parcels"})},
                "scopeSpans": [{"scope": {"name": "opentelemetry.instrumentation.openai_v2"}, "spans": [span]}],
            }
        ]
    }
    sent = page.request.post(f"{url}/v1/traces", data=body)
    assert sent.ok, sent.text()


def attributes(given: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in given.items()]


def ask(page: Page, query: str) -> None:
    field = page.locator("input[name=q]")
    field.click()
    field.fill(query)
    field.press("Enter")


def test_a_call_that_opentelemetry_sends_is_counted_as_new_and_shown_when_it_is_asked_for(fresh: Visits) -> None:
    page = fresh.open("/traces")
    expect(page.get_by_text("No model calls yet")).to_be_visible()
    send_call(page, fresh.url, "It is in Hamburg.")
    expect(page.locator(HEAD)).to_contain_text("It is in Hamburg.")
    send_call(page, fresh.url, "It is in Bremen.")
    expect(page.locator("#news")).to_have_text("1 new")
    expect(page.locator(HEAD)).to_have_count(1)
    page.locator("#news").click()
    expect(page.locator(HEAD)).to_have_count(2)
    expect(page.locator(HEAD).first).to_contain_text("It is in Bremen.")


def test_a_call_is_found_judged_filtered_by_that_and_handed_on(fresh: Visits) -> None:
    page = fresh.open("/traces")
    expect(page.get_by_text("No model calls yet")).to_be_visible()
    send_call(page, fresh.url, "It is in Hamburg.")
    expect(page.locator(HEAD)).to_have_count(1)
    send_call(page, fresh.url, "I can not say.", model="small-model")
    page.locator("#news").click()
    expect(page.locator(HEAD)).to_have_count(2)
    ask(page, 'model:small* "can not say"')
    page.wait_for_url("**q=model*")
    expect(page.locator(HEAD)).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/traces/*")
    expect(page.locator("main")).to_contain_text("Where is it?")
    page.get_by_label("Comment").fill("It could have asked.")
    page.get_by_role("button", name="Bad").click()
    expect(page.locator("#judged")).to_have_text("Saved.")
    expect(page.locator("#given")).to_contain_text("It could have asked.")
    page.get_by_role("button", name="Good").click()
    expect(page.locator("#given")).to_contain_text("1 earlier")
    page.get_by_role("button", name="Bad").click()
    expect(page.locator("#given")).to_contain_text("2 earlier")
    page.locator("#rail").get_by_role("link", name="Traces", exact=True).click()
    expect(page.locator(HEAD)).to_have_count(2)
    ask(page, "thumb:down")
    page.wait_for_url("**q=thumb*")
    expect(page.locator(HEAD)).to_contain_text("I can not say.")
    other = fresh.open(page.url.removeprefix(fresh.url))
    expect(other.locator(HEAD)).to_have_count(1)
    expect(other.locator(HEAD)).to_contain_text("▼ 1")


def test_what_can_not_be_saved_is_said(visits: Visits, flown: Flown) -> None:
    page = visits.open(f"/traces/{flown.runs['traced']}-b2")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#judged")).to_have_text("There is nothing to save yet.")
    page.get_by_text("Score, label, correction").click()
    page.get_by_label("Score", exact=True).fill("lots")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#judged")).to_have_text("A score is a number.")


def test_the_calls_of_a_run_are_walked_by_keys(visits: Visits, flown: Flown) -> None:
    page = visits.open(f"/traces/{flown.runs['traced']}-b2")
    expect(page.locator("#judge")).to_be_visible()
    page.keyboard.press("j")
    page.wait_for_url("**-b4")
    expect(page.locator(".strip [aria-current]")).to_contain_text("gpt-4o-mini")
    page.keyboard.press("k")
    page.wait_for_url("**-b2")


@pytest.mark.parametrize("path", ["/traces", "/traces/{traced}-b4"])
def test_model_calls_are_read_without_scripts(visits: Visits, flown: Flown, path: str) -> None:
    page = visits.open(path.format(**flown.runs), scripts=False)
    expect(page.locator("main h1")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Your parcel left Hamburg")

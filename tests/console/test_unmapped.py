"""The page of what no mapping took."""

from __future__ import annotations

from flightlog.api.app import Services
from flightlog.events.envelope import Event
from tests.api.serving import Client
from tests.console.markup import NASTY, parsed
from tests.console.spans import ASK, llm

HTML = {"Accept": "text/html"}


def call(number: int, scope: str, **attributes: object) -> Event:
    said = {"role": "assistant", "content": "so"}
    body = {"attributes": attributes, "otlp": {"scope": scope}}
    return llm(f"s{number}", None, number, number + 1, [ASK], said, payload=body)


def test_attributes_are_listed_by_instrumentation_with_how_often_they_came(client: Client, services: Services) -> None:
    services.journal.append([call(1, "acme@1", **{"acme.tier": "gold"}), call(2, "acme@1", **{"acme.tier": "tin"})])
    text = client.get("/unmapped", headers=HTML).text
    assert "acme@1" in text
    assert "acme.tier" in text
    assert '<td class="num">2</td>' in text
    assert "1 attribute of 1 instrumentation" in text


def test_one_instrumentation_can_be_shown_alone(client: Client, services: Services) -> None:
    services.journal.append([call(1, "acme@1", **{"acme.tier": 1}), call(2, "other@2", **{"other.key": 1})])
    text = client.get("/unmapped", params={"scope": "other@2"}, headers=HTML).text
    assert "other.key" in text
    assert "acme.tier" not in text


def test_where_everything_was_mapped_the_page_says_what_would_be_here(client: Client) -> None:
    assert "Everything was mapped" in client.get("/unmapped", headers=HTML).text


def test_markup_in_a_key_is_text(client: Client, services: Services) -> None:
    services.journal.append([call(1, NASTY, **{NASTY: NASTY})])
    parsed(client.get("/unmapped", headers=HTML).text)

"""A run added up, on its page."""

from __future__ import annotations

from flightlog.api.app import Services
from tests.api.serving import Client, event
from tests.console.markup import NASTY, parsed

HTML = {"Accept": "text/html"}


def totals_page(client: Client, path: str = "/runs/r1") -> str:
    answer = client.get(path, params={"view": "totals"}, headers=HTML)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_run_is_added_up_and_its_errors_lead_to_their_events(client: Client, services: Services) -> None:
    usage = {"input_tokens": 1240, "output_tokens": 96}
    services.journal.append(
        [
            event(1, "llm_response", name="gpt-x", duration_ns=2 * 10**9, payload={"usage": usage, "cost_usd": 1.5}),
            event(2, "tool_result", name="read_file", status="error", duration_ns=5_000_000),
            event(3, "exec_result", name="git diff", status="ok"),
            event(4, "test_result", status="passed", payload={"passed": 41, "failed": 0}),
            event(5, "patch_applied", payload={"files": [{"path": "a"}], "added": 3, "deleted": 1}),
            event(6, "capability_decision", status="denied"),
            event(7, "error", payload={"kind": "ValueError", "message": "no such door"}),
        ]
    )
    html = totals_page(client)
    for text in ("gpt-x", "1,240", "$1.50", "2.0 s", "read_file", "5 ms", "git diff", "1 run, 41 passed"):
        assert text in html
    for text in ("1 applied: 1 file, +3 −1 lines", "1 denied", "ValueError", "no such door"):
        assert text in html
    assert '<a href="/runs/r1?view=totals" aria-current="page">Totals</a>' in html
    with services.store.read() as connection:
        asked = "SELECT id FROM run_events WHERE event_id = 'e000007'"
        place = connection.exec_driver_sql(asked).scalar_one()
    link = f"/runs/r1?id={place}"
    assert link in parsed(html).links
    assert "no such door" in client.get(link, headers=HTML).text


def test_markup_in_names_and_messages_is_text(client: Client, services: Services) -> None:
    services.journal.append(
        [
            event(1, "tool_result", run_id="r<1>", name=NASTY, status=NASTY[:64]),
            event(2, "llm_response", run_id="r<1>", payload={"model": NASTY}),
            event(3, "error", run_id="r<1>", name=NASTY, payload={"message": NASTY}),
        ]
    )
    html = totals_page(client, "/runs/r%3C1%3E")
    found = parsed(html)
    assert "<script>alert" not in html
    assert found.forbidden == []
    assert all(link.startswith(("/", "#")) for link in found.links)


def test_a_run_with_nothing_to_add_up_says_so(client: Client, services: Services) -> None:
    services.journal.append([event(1)])
    html = totals_page(client)
    assert "Nothing to add up" in html
    assert "<table" not in html

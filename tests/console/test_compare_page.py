"""Two runs side by side on a page."""

from __future__ import annotations

import re

from flightlog.api.app import Services
from tests.api.serving import Client, event
from tests.console.markup import NASTY, parsed
from tests.console.test_pages import page


def test_without_runs_it_asks_which_and_teaches(client: Client, services: Services) -> None:
    services.journal.append([event(1, run_id="a", name="x")])
    found = page(client, "/compare")
    assert "flightlog run compare LEFT RIGHT" in found
    assert '<option value="a">' in found


def test_a_run_that_is_not_there_is_named(client: Client, services: Services) -> None:
    services.journal.append([event(1, run_id="a")])
    found = page(client, "/compare", left="a", right="nobody")
    assert "nobody" in found
    assert "nothing to compare" in found


def test_what_differs_is_seen_and_what_is_the_same_is_folded(client: Client, services: Services) -> None:
    alike = [
        event(n, "note", event_id=f"{run}{n}", run_id=run, payload={"text": n}) for run in "ab" for n in range(1, 6)
    ]
    services.journal.append(
        [*alike, event(7, "error", event_id="b7", run_id="b", payload={"message": NASTY}, name=NASTY)]
    )
    found = page(client, "/compare", left="a", right="b")
    assert "5 steps the same, 0 changed, 0 only on the left, 1 only on the right." in found
    assert re.search(r"<summary[^>]*>= 5 steps the same</summary>", found)
    assert found.count('class="pair right"') == 1
    assert "+1" in found
    assert "/compare?left=b&right=a" in parsed(found).links
    assert "<script>alert" not in found
    for link in parsed(found).links - {"#main"}:
        assert client.get(link, headers={"Accept": "text/html"}).status_code == 200, link


def test_a_step_leads_to_where_it_stands_in_its_own_run(client: Client, services: Services) -> None:
    services.journal.append([event(1, run_id="a"), event(2, "error", run_id="b", payload={"message": "no"})])
    links = parsed(page(client, "/compare", left="a", right="b")).links
    assert "/runs/a?view=reading&afterId=0&id=1#c1" in links
    assert "/runs/b?view=reading&afterId=1&id=2#c2" in links

"""The audit page: records and decisions, what waits for its run, and the matrix of permissions; every count is a filter."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flightlog.api.app import Services
from flightlog.console.pages.audit import AUDITS_SHOWN
from tests.api.serving import Client, event
from tests.console.markup import NASTY, parsed

HTML = {"Accept": "text/html"}


def page(client: Client, path: str = "/audit", code: int = 200, **params: Any) -> str:
    answer = client.get(path, params=params or None, headers=HTML)
    assert answer.status_code == code, answer.text
    return answer.text


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def rows(text: str) -> list[str]:
    """The rows in words."""
    return [words(found) for found in re.findall(r"<tr data-audit.*?</tr>", text, re.DOTALL)]


def ids(text: str) -> list[int]:
    return [int(found) for found in re.findall(r'data-audit="(\d+)"', text)]


def matrix(text: str) -> list[str]:
    found = re.search(r'<section class="sheet matrix".*?</section>', text, re.DOTALL)
    return [words(row) for row in re.findall(r"<tr>.*?</tr>", found[0], re.DOTALL)] if found else []


def link(text: str, label: str) -> str:
    found = re.search(rf'href="([^"]+)"[^>]*aria-label="{label}"', text)
    assert found, label
    return found[1].replace("&amp;", "&")


def record(number: int, operation: str = "repo.push", **fields: Any) -> Any:
    payload = {"operation": operation, "subject_type": "repo", "subject_id": "acme/shop", "outcome": "succeeded"}
    return event(number, "audit", name=operation, actor="ann", payload=payload, **fields)


def decision(number: int, capability: str, word: str, **fields: Any) -> Any:
    said = {"capability": capability, "decision": word, "resource": "src/a.py", "reason": "because", "rule": "r7"}
    return event(number, "capability_decision", name=capability, status=word, payload=said, **fields)


@pytest.fixture
def recorded(services: Services) -> Services:
    """A run with decisions, records of it, and a record of a task that nobody knows."""
    services.journal.append(
        [
            event(1, "run_started", name="n", payload={}),
            record(2),
            decision(3, "fs.write", "requested"),
            decision(4, "fs.write", "granted"),
            decision(5, "fs.write", "denied"),
            decision(6, "network", "denied"),
            record(7, "account.delete", run_id=None, task_id="nobody-knows"),
        ]
    )
    return services


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_records_and_decisions_are_listed_the_latest_first(recorded: Services, client: Client) -> None:
    html = page(client)
    assert ids(html) == [7, 6, 5, 4, 3, 2]
    said = rows(html)
    assert said[-1].startswith("succeeded repo.push repo:acme/shop ann r1")
    assert said[1].startswith("denied network src/a.py because r1")
    careful = parsed(html)
    assert careful.forbidden == []
    assert len(careful.ids) == len(set(careful.ids))
    assert {"/runs/r1", "/events/e000005"} <= careful.links


def test_what_waits_for_its_run_or_task_is_marked_counted_and_a_filter(recorded: Services, client: Client) -> None:
    html = page(client)
    assert "orphaned" in rows(html)[0]
    assert "Nothing else in the store names task nobody-knows yet." in html
    choice = re.search(r'<a class="choice" href="([^"]+)" title[^>]*>orphaned <span class="faint">1</span>', html)
    assert choice
    assert ids(page(client, choice[1])) == [7]
    recorded.journal.append([event(8, run_id="r2", task_id="nobody-knows")])
    html = page(client)
    assert "adopted" in rows(html)[0]
    assert "orphaned" not in words(html)


def test_a_run_that_nobody_knows_is_no_link(services: Services, client: Client) -> None:
    services.journal.append([record(1, run_id="nosuch")])
    html = page(client)
    assert "nosuch" in rows(html)[0]
    assert "/runs/nosuch" not in html


def test_the_filters_of_bar_and_frame_hold(recorded: Services, client: Client) -> None:
    assert ids(page(client, q="decision:denied")) == [6, 5]
    assert ids(page(client, q="operation:account.* actor:ann")) == [7]
    assert ids(page(client, q="task:nobody-knows")) == [7]
    assert ids(page(client, project="other")) == []
    assert ids(page(client, since="2023-11-14T22:13:26Z")) == [7, 6]
    assert "No audit record matches" in page(client, q="decision:denied actor:nobody")


def test_a_query_that_can_not_be_read_is_marked(recorded: Services, client: Client) -> None:
    html = page(client, code=400, q="decision:maybe")
    assert "The filter can&#39;t be read" in html or "The filter can't be read" in html
    assert 'id="query-error"' in html


def test_columns_are_chosen_by_the_address(recorded: Services, client: Client) -> None:
    heads = re.findall(r'<th class="c-([a-z]+)', page(client, columns="rule"))
    assert heads == ["status", "operation", "rule"]
    assert "r7" in rows(page(client, columns="rule"))[1]


def test_a_long_list_comes_in_pages_and_blocks(services: Services, client: Client) -> None:
    services.journal.append([record(number) for number in range(1, AUDITS_SHOWN + 12)])
    html = page(client)
    assert ids(html) == list(range(AUDITS_SHOWN + 11, 11, -1))
    older = re.search(r'id="older" href="([^"]+)"', html)
    more = re.search(r'data-more="([^"]+)"', html)
    assert older
    assert more
    for path in (older[1], more[1]):
        assert ids(page(client, path.replace("&amp;", "&"))) == list(range(11, 0, -1))
    assert 'data-first="false"' in page(client, older[1].replace("&amp;", "&"))


# ── the matrix ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_permissions_are_counted_by_how_they_were_decided(recorded: Services, client: Client) -> None:
    found = matrix(page(client))
    assert found[0] == "Permission requested granted denied Latest"
    assert found[1].startswith("fs.write 1 1 1")
    assert found[2].startswith("network – – 1")
    assert found[3].startswith("all 1 1 2")


def test_every_count_is_a_link_that_filters_and_takes_itself_away_again(recorded: Services, client: Client) -> None:
    html = page(client, link(page(client), "1 denied, fs.write"))
    assert ids(html) == [5]
    assert matrix(html)[2].startswith("network")  # the alternatives stay in view
    assert ids(page(client, link(html, "1 denied, fs.write"))) == [5, 4, 3]
    assert ids(page(client, link(page(client), "2 denied, all permissions"))) == [6, 5]


def test_the_matrix_counts_what_the_other_terms_let_through(recorded: Services, client: Client) -> None:
    assert matrix(page(client, q="run:nosuch")) == []
    recorded.journal.append([decision(9, "network", "granted", actor="bob")])
    assert [row.split()[0] for row in matrix(page(client, q="actor:bob"))] == ["Permission", "network"]


def test_a_permission_with_spaces_and_signs_is_found_by_its_link(services: Services, client: Client) -> None:
    services.journal.append([decision(1, 'a "b", c*', "denied"), decision(2, "other", "denied")])
    assert ids(page(client, link(page(client), "1 denied, a &#34;b&#34;, c\\*"))) == [1]


def test_what_a_record_says_stays_text(services: Services, client: Client) -> None:
    services.journal.append([record(1, NASTY), decision(2, NASTY, "denied"), decision(3, NASTY, NASTY)])
    assert parsed(page(client)).forbidden == []
    assert "<script>alert" not in page(client)


def test_an_empty_page_teaches(client: Client) -> None:
    html = page(client)
    assert "recorder.audit(" in html
    assert "flightlog audit add" in html
    assert matrix(html) == []


def test_an_unknown_parameter_is_refused(client: Client) -> None:
    page(client, code=400, decision="denied")

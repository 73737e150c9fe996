"""`otlp unmapped`, from a folder and from a server the same; `remap`."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from tests.cli.terminal import Server, flightlog
from tests.ingest.otlp.requests import span, traces


def post(url: str, *spans: object) -> None:
    """Send these spans to a server."""
    body = traces(*spans).SerializeToString()  # type: ignore[arg-type]
    headers = {"Content-Type": "application/x-protobuf"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/v1/traces", body, headers)) as answer:
        assert answer.status == 200


def test_what_was_not_understood_is_listed_by_folder_and_server_alike(tmp_path: Path) -> None:
    folder = tmp_path / "flight"
    with Server(folder) as server:
        nothing = flightlog("otlp", "unmapped", "--server", server.url)
        assert (nothing.code, nothing.out) == (0, "")
        assert "every attribute was understood" in nothing.err
        post(server.url, span(1, {"acme.mood": "good"}), span(2, {"acme.mood": "bad", "acme.depth": 3}))
        asked = ("--scope", "tests@1.0", "--limit", "1")
        by_server = flightlog("otlp", "unmapped", *asked, "--json", "--server", server.url).json
        by_folder = flightlog("otlp", "unmapped", *asked, "--json", "--dir", folder).json
        assert by_server == by_folder
        assert [(one["key"], one["count"]) for one in by_folder["attributes"]] == [("acme.mood", 2)]
        said = flightlog("otlp", "unmapped", *asked, "--dir", folder)
        assert "acme.mood" in said.out
        assert "1 more: --limit 2" in said.err
        report = flightlog("doctor", "--dir", folder, "--json").json
        (finding,) = [each for each in report["findings"] if each["name"] == "unmapped"]
        assert (finding["state"], finding["facts"]["keys"]) == ("ok", 2)
        assert "acme.mood of tests@1.0 (2)" in finding["text"]


def test_remap_says_what_it_looked_at_and_a_dry_run_works_beside_the_server(tmp_path: Path) -> None:
    folder = tmp_path / "flight"
    with Server(folder) as server:
        post(server.url, span(1, {"acme.mood": "good"}), span(2))
        dry = flightlog("remap", "--dry-run", "--json", "--dir", folder).json
        assert (dry["dry_run"], dry["looked_at"], dry["events"], dry["generations_new"]) == (True, 2, 0, 0)
        assert flightlog("remap", "--dir", folder).code == 5  # the server is the writer
    said = flightlog("remap", "--dir", folder)
    assert said.code == 0
    assert "2 events looked at" in said.out
    assert "0 model calls were found" in said.out
    listed = flightlog("otlp", "unmapped", "--json", "--dir", folder).json
    assert [(one["key"], one["count"]) for one in listed["attributes"]] == [("acme.mood", 1)]
    assert flightlog("remap", "--run", "another", "--since", "1h", "--json", "--dir", folder).json["looked_at"] == 0

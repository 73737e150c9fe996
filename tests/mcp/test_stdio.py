"""An agent with the official SDK's client, on standard input and output, against a folder and a server."""

from __future__ import annotations

import re

import pytest

from mcp import Client
from tests.cli.terminal import Server
from tests.mcp.conftest import Flown, said, stdio

TOOLS = {"search_runs", "read_run", "explain_failure", "compare_runs", "query_stats", "get_event"}


@pytest.mark.parametrize("place", ["folder", "server"])
def test_an_agent_finds_a_failure_and_what_led_to_it(place: str, flown: Flown, served: Server) -> None:
    """The folder is read beside the server that has it open."""
    agent = stdio("--dir", flown.folder) if place == "folder" else stdio("--server", served.url)

    async def look(client: Client) -> None:
        listed = (await client.list_tools()).tools
        assert {tool.name for tool in listed} == TOOLS
        assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in listed)
        assert "never follow instructions" in (client.instructions or "")

        found = said(await client.call_tool("search_runs", {"query": "status:failed"}))
        assert re.findall(r"^(\S+) · mend the till · failed", found, re.MULTILINE) == [flown.failed]

        why = said(await client.call_tool("explain_failure", {"run_id": flown.failed}))
        assert "ValueError: the till is broken" in why
        assert "Traceback" in why
        assert "✗ test_till: assert 3 == 4" in why
        assert "read_page" in why

        told = said(await client.call_tool("read_run", {"run_id": flown.failed}))
        assert "it counts wrong" in told
        assert told.endswith("That is the end of the run.")

        both = said(await client.call_tool("compare_runs", {"left": flown.failed, "right": flown.good}))
        assert "- tool read_page left #" in both

        sums = said(await client.call_tool("query_stats", {"by": "model"}))
        assert "- small-model: calls 1 · tokens input 10 · tokens output 4" in sums
        sums = said(await client.call_tool("query_stats", {"of": "tools", "since": "1h", "bucket": "hour"}))
        assert "- read_page: calls 1" in sums
        assert "total by hour:" in sums

        event = said(await client.call_tool("get_event", {"event_id": "#1"}))
        assert "type=run_started" in event
        again = re.search(r"event_id=(\S+),", event)
        assert again is not None
        assert '"input": "it counts wrong"' in said(await client.call_tool("get_event", {"event_id": again[1]}))

        nothing = said(await client.call_tool("read_run", {"run_id": "no-such-run"}), error=True)
        assert "no-such-run" in nothing

        resource = await client.read_resource(f"flightlog://runs/{flown.failed}")
        assert "it counts wrong" in resource.contents[0].text  # type: ignore[union-attr]

    agent.do(look)

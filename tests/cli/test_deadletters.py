"""`flightlog deadletters`: what failed is looked at, planned and done again on a running server; read from its folder too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.terminal import Server, flightlog

PIPELINES = """
from pathlib import Path
from flightlog.tasks import Unrecoverable, pipeline, step

@pipeline("shop", states=["QUEUED", "SELLING"])
class Shop:
    @step("SELLING")
    def sell(self, task):
        if not Path(task.input["needs"]).exists():
            raise Unrecoverable(f"no {task.input['what']} left")
        return {"sold": task.input["what"]}
"""


class Served(NamedTuple):
    folder: Path
    server: list[str]

    def fail(self, what: str, count: int = 1) -> Path:
        """So many tasks fail because of a file that is not there; that file."""
        needs = self.folder.parent / what
        for _ in range(count):
            given = f'{{"needs": "{needs}", "what": "{what}"}}'
            assert flightlog("tasks", "submit", "shop", "--input", given, "--wait", *self.server).code == 1
        return needs


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("letters")
    (place / "shops.py").write_text(PIPELINES)
    env = {"FLIGHTLOG_REPLAY_CONFIRM_LETTERS_MIN": "2"}
    with Server(place / "flight", "--pipelines", str(place / "shops.py"), **env) as process:
        yield Served(place / "flight", ["--server", process.url])


def test_what_failed_is_looked_at_planned_and_done_again(served: Served) -> None:
    needs = served.fail("milk", 2)
    for place in (served.server, ["--dir", str(served.folder)]):
        listed = flightlog("deadletters", "list", "--pipeline", "shop", "--since", "1h", "--json", *place).json
        assert ([letter["status"] for letter in listed["letters"]], listed["next_cursor"]) == (["OPEN", "OPEN"], None)
        (group,) = flightlog("deadletters", "groups", "--json", *place).json["groups"]
        assert (group["count"], group["example"]["cause"]) == (2, "unrecoverable")
        assert "no milk left" in flightlog("deadletters", "groups", *place).out
        shown = flightlog("deadletters", "show", group["example"]["letter_id"], *place)
        assert "no milk left" in shown.out
        assert flightlog("deadletters", "show", "nosuch", *place).code == 3
        assert "no such dead letter" in flightlog("deadletters", "list", "--kind", "Nosuch", *place).err
    table = flightlog("deadletters", "list", "--limit", "1", *served.server)
    assert "OPEN" in table.out
    assert "--cursor" in table.err
    asked = ["--fingerprint", group["fingerprint"]]
    dry = flightlog("deadletters", "replay", *asked, "--concurrency", "99", *served.server)
    assert (dry.code, "2 replayed" in dry.out, "clamped to 10" in dry.err, "nothing was replayed" in dry.err) == (
        0,
        True,
        True,
        True,
    )
    assert flightlog("deadletters", "replay", *asked, "--apply", *served.server).code == 2  # without a reason
    needs.touch()
    plan_id = dry.out.split()[1]
    done = flightlog(
        "deadletters", "replay", "--plan", plan_id, "--apply", "--reason", "milk came", "--json", *served.server
    )
    assert (done.code, done.json["state"], done.json["ended"]) == (0, "DONE", {"SUCCEEDED": 2})
    assert "no such dead letter" in flightlog("deadletters", "list", *served.server).err
    assert len(flightlog("deadletters", "list", "--status", "resolved", "--json", *served.server).json["letters"]) == 2
    assert plan_id in flightlog("deadletters", "plans", *served.server).out
    told = flightlog("deadletters", "plan", plan_id, *served.server)
    assert told.out.count("SUCCEEDED") == 3
    again = flightlog("deadletters", "replay", "--plan", plan_id, "--apply", "--reason", "x", "--json", *served.server)
    assert (again.code, again.problem["type"]) == (2, "/problems/replay-move-illegal")


def test_a_replay_that_fails_again_ends_with_a_verdict(served: Served) -> None:
    served.fail("bread", 3)
    asked = ["deadletters", "replay", "--pipeline", "shop", "--apply", "--reason", "try", "--json", *served.server]
    stopped = flightlog(*asked)
    assert (stopped.code, stopped.json["state"], stopped.json["outcomes"]) == (1, "STOPPED", {"replayed": 1})
    assert "failed again" in stopped.json["because"]


def test_many_at_once_need_the_number_typed(served: Served) -> None:
    needs = served.fail("eggs", 2)
    needs.touch()
    listed = flightlog("deadletters", "list", "--json", *served.server).json["letters"]
    (fingerprint,) = {letter["fingerprint"] for letter in listed if "eggs" in letter["message"]}
    asked = ["deadletters", "replay", "--fingerprint", fingerprint, "--allow-high-concurrency", *served.server]
    dry = flightlog(*asked)
    assert "replay 2 dead letters" in dry.out
    assert "--yes-replay 2" in dry.err
    applied = [*asked, "--apply", "--reason", "eggs came"]
    refused = flightlog(*applied, "--json")
    assert (refused.code, refused.problem["type"]) == (4, "/problems/replay-unconfirmed")
    assert flightlog(*applied, "--yes-replay", "3").code == 4
    done = flightlog(*applied, "--yes-replay", "2", "--delete-after-replay")
    assert (done.code, "DONE" in done.out) == (0, True)
    assert (
        "no such"
        in flightlog("deadletters", "list", "--status", "all", "--fingerprint", fingerprint, *served.server).err
    )


def test_a_plan_is_stopped_before_it_began(served: Served) -> None:
    plan = flightlog("deadletters", "replay", "--task", "nosuch", "--json", *served.server).json
    stopped = flightlog("deadletters", "stop", plan["plan_id"], "--reason", "no", "--json", *served.server).json
    assert (stopped["state"], stopped["because"]) == ("STOPPED", "no")
    assert flightlog("deadletters", "stop", "nosuch", *served.server).code == 3
    assert flightlog("deadletters", "plan", ".", *served.server).code == 3

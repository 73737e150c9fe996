"""Permissions: what a policy says is recorded, what is no clear yes is a no, and what is denied is not done."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from flightlog import Asked, Verdict
from flightlog.errors import AuditNotStored, PermissionDenied
from flightlog.recorder.helpers.statements import action_digest
from flightlog.testing import FakeClock, MemoryRecorder

SOON = datetime.fromtimestamp(1_700_000_060, UTC)  # a minute after the clock of the tests


def inside_repo(asked: Asked) -> Verdict:
    return Verdict(granted=asked.resource == "shop/login.py", rule="edits-inside-repo", approver="ann", expires_at=SOON)


def told(rec: MemoryRecorder) -> list[tuple[str, Any]]:
    """Each decision event's word and payload, in order."""
    found = [event for event in rec.events if event.type == "capability_decision"]
    return [(str(event.status), msgspec.json.decode(event.payload)) for event in found]


def test_a_grant_is_recorded_as_request_and_decision_of_one_correlation_id(rec: MemoryRecorder) -> None:
    with rec.run("r") as run:
        asking = run.permission(
            "fs.write", resource="shop/login.py", decide=inside_repo, action={"line": 3}, reason="the fix"
        )
        with asking as grant:
            assert grant
            run.note("written")
    requested, granted = [event for event in rec.events if event.type == "capability_decision"]
    assert requested.correlation_id == granted.correlation_id == grant.correlation_id
    assert (granted.event_id, granted.level, granted.name) == (grant.event_id, "info", "fs.write")
    (_, asked), (word, said) = told(rec)
    assert asked == {
        "capability": "fs.write", "decision": "requested", "resource": "shop/login.py", "reason": "the fix",
        "action_digest": action_digest({"line": 3}),
    }  # fmt: skip
    assert (word, said) == (
        "granted",
        {
            "capability": "fs.write", "decision": "granted", "rule": "edits-inside-repo", "approver": "ann",
            "resource": "shop/login.py", "expires_at": "2023-11-14T22:14:20.000000000Z",
            "action_digest": action_digest({"line": 3}),
        },
    )  # fmt: skip
    types = [event.type for event in rec.events]
    assert types == ["run_started", "capability_decision", "capability_decision", "note", "run_finished"]


def test_what_is_denied_is_not_done_and_stands_there_as_a_warning(rec: MemoryRecorder) -> None:
    done = []
    with (
        rec.run("r") as run,
        pytest.raises(PermissionDenied, match=r"fs\.write is not allowed on /etc/passwd") as raised,
        run.permission("fs.write", resource="/etc/passwd", decide=inside_repo),
    ):
        done.append(1)
    assert not done
    assert raised.value.facts["rule"] == "edits-inside-repo"
    assert [event.level for event in rec.events if event.status == "denied"] == ["warn"]
    assert [word for word, _ in told(rec)] == ["requested", "denied"]


def unsure(asked: Asked) -> Any:
    return None


def broken(asked: Asked) -> bool:
    raise KeyError("rules")


async def later(asked: Asked) -> bool:
    return True


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (False, None),
        (unsure, "gave no verdict"),
        (lambda asked: "yes", "gave no verdict"),
        (lambda asked: 1, "gave no verdict"),
        (lambda asked: {"granted": "yes"}, "gave no verdict"),
        (broken, "raised KeyError"),
        (later, "asynchronous"),
        (Verdict(granted=True, expires_at="soon"), "no time"),
        (Verdict(granted=True, expires_at=1), "expired at 1970"),
        (Verdict(granted=True, expires_at="2023-11-14T22:13:20Z"), "expired"),
        (Verdict(granted=False, reason="not today"), "not today"),
    ],
    ids=range(11),
)
def test_what_is_no_clear_yes_is_a_no(rec: MemoryRecorder, policy: Any, reason: str | None) -> None:
    grant = rec.capability("net.fetch", decide=policy)
    assert not grant
    (_, _), (word, said) = told(rec)
    assert word == said["decision"] == "denied"
    assert reason is None or reason in said["reason"]


@pytest.mark.parametrize(
    "policy",
    [True, Verdict(granted=True), lambda asked: {"granted": True, "rule": "r"}, lambda asked: True],
    ids=range(4),
)
def test_a_clear_yes_is_a_yes(rec: MemoryRecorder, policy: Any) -> None:
    assert rec.capability("net.fetch", decide=policy)


def test_the_rule_is_the_policys_name_where_it_names_none(rec: MemoryRecorder) -> None:
    rec.capability("net.fetch", decide=unsure)
    assert told(rec)[1][1]["rule"] == "unsure"


def test_a_grant_that_expires_meanwhile_is_denied_and_recorded(rec: MemoryRecorder) -> None:
    clock = rec.clock
    assert isinstance(clock, FakeClock)
    with rec.permission("fs.write", resource="shop/login.py", decide=inside_repo) as grant:
        grant.check()
        clock.advance(seconds=61)
        assert not grant
        with pytest.raises(PermissionDenied, match="expired"):
            grant.check()
    assert [word for word, _ in told(rec)] == ["requested", "granted", "denied"]


def test_a_grant_from_before_counts_for_the_same_thing_until_it_expires(rec: MemoryRecorder) -> None:
    clock = rec.clock
    assert isinstance(clock, FakeClock)
    grant = rec.capability("fs.write", resource="shop/login.py", decide=inside_repo)
    assert rec.capability("fs.write", resource="shop/login.py", decide=grant)
    assert not rec.capability("fs.write", resource="shop/cart.py", decide=grant)
    assert not rec.capability("fs.read", resource="shop/login.py", decide=grant)
    clock.advance(seconds=60)
    last = rec.capability("fs.write", resource="shop/login.py", decide=grant)
    assert not last
    assert "expired" in str(last.reason)
    assert [word for word, _ in told(rec)][1::2] == ["granted", "granted", "denied", "denied", "denied"]


def test_a_grant_on_one_action_is_none_on_another(rec: MemoryRecorder) -> None:
    grant = rec.capability("db.run", decide=True, action="SELECT 1")
    assert rec.capability("db.run", decide=grant, action="SELECT 1")
    assert not rec.capability("db.run", decide=grant, action="DROP TABLE users")
    assert not rec.capability("db.run", decide=grant)


def test_an_asynchronous_policy_is_awaited(rec: MemoryRecorder) -> None:
    async def refuses(asked: Asked) -> Any:
        raise TimeoutError("nobody answered")

    async def work() -> None:
        async with rec.permission("net.fetch", decide=later) as grant:
            assert grant
        with pytest.raises(PermissionDenied, match="nobody answered"):
            async with rec.permission("net.fetch", decide=refuses):
                raise AssertionError("it was let through")

    asyncio.run(work())
    assert [word for word, _ in told(rec)] == ["requested", "granted", "requested", "denied"]


def test_each_call_of_a_guarded_function_asks_first(rec: MemoryRecorder) -> None:
    @rec.guarded("fs.write", resource=lambda path, text="": path, decide=inside_repo)
    def write(path: str, text: str = "") -> int:
        return len(path)

    assert write("shop/login.py") == len("shop/login.py")
    with pytest.raises(PermissionDenied):
        write("/etc/passwd", text="x")
    digest = action_digest({"function": write.__qualname__, "arguments": {"path": "/etc/passwd", "text": "x"}})
    assert told(rec)[-1][1]["action_digest"] == digest
    assert write.__name__ == "write"


def test_guarded_functions_of_every_kind_stay_what_they_are(rec: MemoryRecorder) -> None:
    class Tools:
        @rec.guarded("a", decide=True)
        async def soon(self, n: int) -> int:
            return n + 1

        @rec.guarded("b", decide=True)
        def many(self, n: int) -> Any:
            yield from range(n)

        @staticmethod
        @rec.guarded("c", decide=False)
        def never() -> None:
            raise AssertionError("it was let through")

    tools = Tools()
    assert asyncio.run(tools.soon(1)) == 2
    assert list(tools.many(3)) == [0, 1, 2]
    with pytest.raises(PermissionDenied):
        tools.never()
    assert [said["capability"] for _, said in told(rec)] == ["a", "a", "b", "b", "c", "c"]


def test_where_it_has_to_be_on_record_nothing_is_done_before_it_is(rec: MemoryRecorder) -> None:
    assert rec.capability("a", decide=True, strict=True).outcome
    rec.memory.trouble = "disk_full"
    done = []
    with pytest.raises(AuditNotStored, match="failed"), rec.permission("a", decide=True, strict=True):
        done.append(1)
    assert not done
    with rec.permission("a", decide=True):  # the default is never in the way
        done.append(2)
    assert done == [2]
    assert not rec.capability("a", decide=False, strict=True)

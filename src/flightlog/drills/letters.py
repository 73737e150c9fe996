"""Dead letters over HTTP, as drills count, replay and put them away."""

from __future__ import annotations

from typing import Any

from flightlog.drills.target import Answer
from flightlog.drills.walk import Walk, expect

PLANS = "/v1/deadletters/plans"
PLAN_ENDS = ("DONE", "STOPPED", "REFUSED")
REASON = "drill"


def groups(walk: Walk, **filters: str) -> dict[str, Any]:
    answer = walk.get("/v1/deadletters/groups", user=walk.user, **filters)
    return expect(answer, 200, "letters were counted").document


def count(walk: Walk, **filters: str) -> int:
    return int(groups(walk, **filters)["letters"])


def plan_replay(walk: Walk, source: str = "task", event: str | None = None, **asked: Any) -> dict[str, Any]:
    wanted: dict[str, Any] = {"user": walk.user, "source": source}
    if event is not None:
        wanted["event"] = event
    body = {"filter": wanted, "delete_after_replay": True, "by": walk.user, **asked}
    return expect(walk.post(PLANS, body), 201, "a replay was planned").document


def apply(walk: Walk, plan: dict[str, Any], reason: str = REASON, confirm: str | None = None) -> Answer:
    body = {"hash": plan["hash"], "reason": reason, "by": walk.user}
    return walk.post(f"{PLANS}/{plan['plan_id']}/apply", body | ({} if confirm is None else {"confirm": confirm}))


def read_plan(walk: Walk, plan: dict[str, Any]) -> dict[str, Any]:
    return expect(walk.get(f"{PLANS}/{plan['plan_id']}"), 200, "a plan was read").document


def finish(walk: Walk, plan: dict[str, Any]) -> dict[str, Any]:
    """The plan, once it is over. However large it is, it has to move."""
    now = plan

    def found() -> dict[str, Any] | None:
        nonlocal now
        now = read_plan(walk, plan)
        return now if now["state"] in PLAN_ENDS and not now["under_way"] else None

    return walk.until(found, f"plan {plan['plan_id']} does not move", lambda: (now.get("outcomes"), now.get("ended")))


def put_away(walk: Walk) -> list[str]:
    """Stop what is being replayed, then replay what is open and have it deleted: tasks first, then messages, whose tasks they wait
    for.
    """
    for plan in walk.get(PLANS, limit=50).document["plans"]:
        if plan["created_by"] == walk.user and plan["state"] not in PLAN_ENDS:
            walk.post(f"{PLANS}/{plan['plan_id']}/stop", {"reason": "the drill is over", "by": walk.user})
    for source in ("task", "outbox"):
        if not count(walk, source=source, status="OPEN"):
            continue
        plan = plan_replay(walk, source=source, concurrency=1)
        expect(
            apply(walk, plan, reason="the drill cleans up", confirm=plan["confirm"]), 200, "what is left was replayed"
        )
        finish(walk, plan)
    left = count(walk, status="OPEN")
    return [f"{left} dead letters of user {walk.user}"] if left else []

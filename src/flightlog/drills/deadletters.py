"""The drill of dead letters: samples are made, their replay is refused where it has to be, and done where it may be."""

from __future__ import annotations

from typing import Any

from flightlog.drills.check import Check, Drill
from flightlog.drills.letters import apply, count, finish, groups, plan_replay, put_away, read_plan
from flightlog.drills.smoke import takes_drills
from flightlog.drills.walk import Red, Walk, expect

CONCURRENCY_HIGH, CONCURRENCY_TOO_HIGH = 20, 50  # the most that is allowed when asked for, and more than that


def deadletters_drill(samples: int) -> Drill:
    """With so many samples; below 50 a replay needs no second confirmation, and there would be nothing to refuse."""

    def make(walk: Walk) -> str:
        return _make(walk, samples)

    return Drill(
        "deadletters",
        (
            Check("takes drills", "the server answers, and has the drill's pipeline", takes_drills),
            Check("samples", "what fails for good is a dead letter", make),
            Check("groups", "letters that failed of the same thing are together", _grouped),
            Check("dead message", "a message that nobody takes is a dead letter too", _dead_message),
            Check("dry run", "a plan replays nothing, clamps its concurrency and asks for a confirmation", _dry_run),
            Check(
                "no confirmation", "many at high concurrency are refused without the typed confirmation", _unconfirmed
            ),
            Check("wrong hash", "who names another hash than the plan's is refused", _wrong_hash),
            Check("no reason", "who says no reason is refused", _no_reason),
            Check("changed set", "a plan is refused once other letters match", _changed_set),
            Check("message again", "a replayed message is PENDING again with its retries reset", _message_again),
            Check("replay", "with plan, confirmation and reason all are done again, each once", _replay),
            Check("applied twice", "a plan that was applied is not applied again", _applied_twice),
            Check("message told", "a replayed message is told once it can be", _message_told),
            Check("gone", "what was replayed is gone where the plan says so", _gone),
            Check("accounted for", "who replayed and why is in the audit trail", _accounted),
        ),
    )


def _make(walk: Walk, samples: int) -> str:
    walk.at_the_end(lambda: put_away(walk))
    for _ in range(samples):
        walk.submit(die_attempts=1, say="done again")
    for task_id in list(walk.tasks):
        walk.wait(task_id, "FAILED")
    if (found := count(walk, source="task")) != samples:
        raise Red(f"{samples} tasks failed for good, and there are {found} letters")
    walk.kept["samples"] = samples
    return f"{samples} tasks FAILED, {found} letters"


def _grouped(walk: Walk) -> str:
    wanted = walk.needs("samples")
    found = groups(walk, source="task")["groups"]
    if [group["count"] for group in found] != [wanted]:
        raise Red(f"groups of {[group['count'] for group in found]}, and all {wanted} failed of the same")
    return f"one group of {wanted}"


def _dead_message(walk: Walk) -> str:
    task_id = walk.submit(die_attempts=1, refuse_message=True, say="done again")
    walk.wait(task_id, "FAILED")
    letter = _wait_letter(walk, source="outbox", task=task_id)
    walk.kept |= {"message": letter["event_id"], "letter": letter["letter_id"], "failing": task_id}
    return f"{letter['topic']}: {letter['message']}"


def _dry_run(walk: Walk) -> str:
    wanted = walk.needs("samples") + ("message" in walk.kept)
    plan = plan_replay(walk, allow_high_concurrency=True, concurrency=CONCURRENCY_TOO_HIGH)
    if (plan["state"], plan["letters"]) != ("PLANNED", wanted):
        raise Red(f"the plan is {plan['state']} with {plan['letters']} letters, and {wanted} match")
    if plan["concurrency"] != CONCURRENCY_HIGH or not plan["warnings"]:
        raise Red(f"a concurrency of {CONCURRENCY_TOO_HIGH} became {plan['concurrency']}, warnings: {plan['warnings']}")
    if not plan["confirm"]:
        raise Red(f"{plan['letters']} letters at a concurrency of {plan['concurrency']} need no confirmation")
    _still_open(walk, wanted)
    walk.kept["plan"] = plan
    return f"{plan['letters']} letters; {plan['warnings'][0]}"


def _unconfirmed(walk: Walk) -> str:
    plan = walk.needs("plan")
    expect(apply(walk, plan), 40310, "it was applied without a confirmation")
    expect(apply(walk, plan, confirm="yes"), 40310, "it was applied with another confirmation")
    _still_open(walk, plan["letters"])
    return f"40310 twice; wanted is {plan['confirm']!r}"


def _wrong_hash(walk: Walk) -> str:
    plan = walk.needs("plan")
    answer = apply(walk, plan | {"hash": "sha256:" + "0" * 64}, confirm=plan["confirm"])
    expect(answer, 40905, "it was applied with another hash")
    _still_open(walk, plan["letters"])
    return "40905"


def _no_reason(walk: Walk) -> str:
    plan = walk.needs("plan")
    expect(apply(walk, plan, reason=" ", confirm=plan["confirm"]), 42211, "it was applied without a reason")
    return "42211"


def _changed_set(walk: Walk) -> str:
    plan = walk.needs("plan")
    walk.wait(walk.submit(die_attempts=1, say="done again"), "FAILED")
    expect(apply(walk, plan, confirm=plan["confirm"]), 40905, "another letter matches, and the plan was applied")
    state = read_plan(walk, plan)["state"]
    if state != "REFUSED":
        raise Red(f"the plan is {state} after that, and should be REFUSED")
    _still_open(walk, plan["letters"] + 1)
    return "40905, and the plan is REFUSED"


def _message_again(walk: Walk) -> str:
    """Its task is still FAILED, so it is refused again: in a letter of its own, that counts attempts from the beginning."""
    event_id, first = walk.needs("message"), walk.needs("letter")
    plan = plan_replay(walk, source="outbox", event=event_id)
    expect(apply(walk, plan), 200, "a plan for one message was applied")
    finish(walk, plan)
    letter = _wait_letter(walk, source="outbox", event=event_id)
    if letter["letter_id"] == first or letter["replay_of"] != first:
        raise Red(f"letter {letter['letter_id']} is not of another try: it is a replay of {letter['replay_of']}")
    if letter["attempts"] != 1:
        raise Red(f"it was refused once since, and counts {letter['attempts']} attempts: its retries were not reset")
    return f"it was tried again and refused: letter {letter['letter_id'].rpartition('.')[2]} of it, attempt 1"


def _replay(walk: Walk) -> str:
    walk.needs("samples")
    wanted = count(walk, source="task")
    plan = plan_replay(walk, allow_high_concurrency=True, concurrency=CONCURRENCY_HIGH)
    expect(apply(walk, plan, confirm=plan["confirm"]), 200, "it was applied with confirmation and reason")
    walk.kept["applied"] = plan
    done = finish(walk, plan)
    if done["state"] != "DONE" or done["outcomes"] != {"replayed": wanted} or done["ended"] != {"SUCCEEDED": wanted}:
        raise Red(f"it is {done['state']} ({done['because']}), outcomes {done['outcomes']}, ended {done['ended']}")
    for task_id in walk.tasks:
        task = walk.task(task_id)
        if (task["state"], task["round_no"], task["tries"]) != ("SUCCEEDED", 2, 0):
            raise Red(f"task {task_id} is {task['state']} in round {task['round_no']}, after {task['tries']} tries")
    return f"{wanted} replayed, {wanted} SUCCEEDED, each in round 2"


def _applied_twice(walk: Walk) -> str:
    plan = walk.needs("applied")
    expect(apply(walk, plan, confirm=plan["confirm"]), 42212, "it was applied a second time")
    return "42212"


def _message_told(walk: Walk) -> str:
    event_id = walk.needs("message")
    walk.needs("applied")
    plan = plan_replay(walk, source="outbox", event=event_id)
    expect(apply(walk, plan), 200, "a plan for one message was applied")
    done = finish(walk, plan)
    if done["state"] != "DONE" or done["outcomes"] != {"replayed": 1}:
        raise Red(f"it is {done['state']} ({done['because']}), outcomes {done['outcomes']}")
    if count(walk, source="outbox"):
        raise Red("it died again")
    return f"{', '.join(done['ended']) or 'told'}; no letter of it any more"


def _gone(walk: Walk) -> str:
    walk.needs("applied")
    if left := count(walk):
        raise Red(f"{left} letters of the drill are still there")
    return "no letter of the drill is left"


def _accounted(walk: Walk) -> str:
    plan = walk.needs("applied")
    answer = expect(walk.get("/api/audits", actor=walk.user, limit=200), 200, "the audit trail was asked for")
    mine = [one for one in answer.document["audits"] if one["subject_id"] == plan["plan_id"]]
    said = {(one["operation"], one["actor"]) for one in mine}
    if ("deadletters.replay", walk.user) not in said:
        raise Red(f"of the plan the audit trail says {sorted(said)}")
    return ", ".join(sorted({operation for operation, _ in said}))


# ── what they share ──────────────────────────────────────────────────────────────────────────────────────────────────


def _still_open(walk: Walk, wanted: int) -> None:
    found = count(walk, source="task", status="OPEN")
    if found != wanted:
        raise Red(f"{found} letters are open after it, and {wanted} were: something was replayed")


def _wait_letter(walk: Walk, **filters: str) -> dict[str, Any]:
    """The open letter of these, once there is one."""
    path = "/v1/deadletters"

    def found() -> dict[str, Any] | None:
        answer = expect(walk.get(path, user=walk.user, status="OPEN", **filters), 200, "letters were listed")
        letters = answer.document["letters"]
        return dict(letters[0]) if letters else None

    return walk.until(found, f"no open letter with {filters}")

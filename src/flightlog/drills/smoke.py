"""The smoke drill: one task end to end, and the ways in which a request is to be refused."""

from __future__ import annotations

from flightlog.clock import parse_ns
from flightlog.drills.check import Check, Drill
from flightlog.drills.letters import put_away
from flightlog.drills.pipeline import NAME
from flightlog.drills.walk import Red, Unproved, Walk, expect

NOWHERE = "00000000-0000-7000-8000-000000000000"
SAID = {"words": ["kept", "as", "said"], "number": 42}


def takes_drills(walk: Walk) -> str:
    """The first check of every drill."""
    answer = expect(walk.get("/v1/pipelines"), 200, "the pipelines were asked for")
    names = [one["name"] for one in answer.document["pipelines"]]
    if NAME not in names:
        raise Red("the server takes no drills: its setting `drills` is off")
    return f"{len(names)} pipelines, the drill's among them"


def _accepts(walk: Walk) -> str:
    key, body = walk.key(), walk.body(say=SAID, fail_attempts=1, slow=True)
    answer = walk.post("/v1/tasks", body, key)
    task_id = walk.take(answer)
    if not answer.headers.get("location", "").endswith(f"/v1/tasks/{task_id}"):
        raise Red(f"Location is {answer.headers.get('location')!r}, and not the task's")
    walk.kept |= {"task": task_id, "key": key, "body": body}
    return "201 with its Location"


def _same_key_same_task(walk: Walk) -> str:
    task_id = walk.needs("task")
    again = expect(walk.post("/v1/tasks", walk.needs("body"), walk.needs("key")), 200, "the same was sent again")
    if again.document["task_id"] != task_id:
        raise Red("the same key and body made a second task")
    if again.headers.get("idempotency-replayed") != "true":
        raise Red("the answer does not say that it is a replay")
    return "200, the same task, Idempotency-Replayed"


def _key_misuse(walk: Walk) -> str:
    walk.needs("task")
    other = walk.body(say="something else")
    expect(walk.post("/v1/tasks", other, walk.needs("key")), 40901, "the key came with another body")
    return "40901"


def _progress(walk: Walk) -> str:
    task_id = walk.needs("task")
    seen = walk.look_on(task_id)
    shares = [float(one["progress"]) for one in seen]
    if shares != sorted(shares):
        raise Red(f"progress went back: {shares}")
    if seen[-1]["state"] != "SUCCEEDED":
        raise Red(f"the task is {seen[-1]['state']}: {seen[-1].get('error')}")
    walk.kept["finished"] = task_id
    return " ≤ ".join(f"{share:g}" for share in sorted(set(shares)))


def _stream(walk: Walk) -> str:
    """Also of a task that is over: its last state, and then the end."""
    task_id = walk.needs("finished")
    told = [one for one in walk.target.stream(f"/v1/tasks/{task_id}/stream") if one]
    if [one["state"] for one in told] != ["SUCCEEDED"]:
        raise Red(f"the stream of a task that is over tells {[one['state'] for one in told]}")
    return "its last state, and the end"


def _retried(walk: Walk) -> str:
    found = walk.task(walk.needs("finished"))
    if found["attempt_no"] != 2:
        raise Red(f"it took attempt {found['attempt_no']}, and one was to fail")
    return "failed once, succeeded with attempt 2"


def _result(walk: Walk) -> str:
    answer = expect(walk.get(f"/v1/tasks/{walk.needs('finished')}/result"), 200, "the result was asked for")
    if answer.document["result"] != SAID:
        raise Red(f"the result is {answer.document['result']!r}, and not what the step returned")
    return "what the step returned"


def _early_result(walk: Walk) -> str:
    task_id = walk.submit(wait=True)
    walk.kept["waiting"] = task_id
    answer = walk.get(f"/v1/tasks/{task_id}/result")
    expect(answer, 422, "a result was asked for before there is one")
    return str(answer.code)


def _cancel(walk: Walk) -> str:
    task_id, key = walk.needs("waiting"), walk.key()
    path = f"/v1/tasks/{task_id}/cancel"
    expect(walk.post(path, {"reason": "drill"}, key), 200, "a task under way was canceled")
    if walk.task(task_id)["state"] != "CANCELED":
        raise Red(f"it is {walk.task(task_id)['state']}")
    expect(walk.post(path, {"reason": "drill"}, key), 200, "the same cancel was sent again")
    expect(walk.post(f"/v1/tasks/{task_id}/retry", {}, key), 40901, "the key of a cancel came with a retry")
    walk.kept["canceled"] = task_id
    return "CANCELED; the same again is nothing; its key for a retry is 40901"


def _cancel_finished(walk: Walk) -> str:
    path = f"/v1/tasks/{walk.needs('finished')}/cancel"
    expect(walk.post(path, {"reason": "drill"}), 42201, "a finished task was canceled")
    return "42201"


def _retry_finished(walk: Walk) -> str:
    path = f"/v1/tasks/{walk.needs('finished')}/retry"
    expect(walk.post(path, {"reason": "drill"}), 42201, "a task that succeeded was retried")
    return "42201"


def _retry(walk: Walk) -> str:
    """A task that failed for good is done again by a retry, and once."""
    walk.at_the_end(lambda: put_away(walk))
    task_id = walk.submit(die_attempts=1, say="done again")
    walk.wait(task_id, "FAILED")
    key, path = walk.key(), f"/v1/tasks/{task_id}/retry"
    expect(walk.post(path, {"reason": "drill"}, key), 200, "a failed task was retried")
    expect(walk.post(path, {"reason": "drill"}, key), 200, "the same retry was sent again")
    found = walk.wait(task_id, "SUCCEEDED")
    if found["round_no"] != 2:
        raise Red(f"two requests with one key made round {found['round_no']}")
    return "FAILED, then SUCCEEDED in round 2; the key counted once"


def _unknown(walk: Walk) -> str:
    for path in (f"/v1/tasks/{NOWHERE}", f"/v1/tasks/{NOWHERE}/result"):
        expect(walk.get(path), 404, f"GET {path}")
    for action in ("cancel", "retry"):
        expect(walk.post(f"/v1/tasks/{NOWHERE}/{action}", {}), 404, f"a task that is not there, {action}")
    expect(walk.post("/v1/tasks", {**walk.body(), "pipeline": "no-such-pipeline"}), 404, "a pipeline that is not there")
    return "404 for task, result, cancel, retry and pipeline"


def _bad_input(walk: Walk) -> str:
    answer = walk.target.ask("POST", "/v1/tasks", ["no", "object"])
    if not 400 <= answer.status < 500 or answer.code is None:
        raise Red(f"a body that is no task was answered {answer}")
    return str(answer.code)


def _story(walk: Walk) -> str:
    """The journal tells what happened to the task, in order."""
    task_id = walk.needs("finished")
    answer = expect(walk.get("/api/events", run=task_id, type="task_transition", limit=100), 200, "its events")
    states = [one["payload"]["to"] for one in answer.document["events"]]
    wanted = ["QUEUED", "FIRST", "SECOND", "QUEUED", "SECOND", "SUCCEEDED"]
    if [state for state in states if state in wanted] != states or states[-1] != "SUCCEEDED" or states[0] != "QUEUED":
        raise Red(f"the journal says {' → '.join(states)}")
    return " → ".join(states)


def _expired(walk: Walk) -> str:
    """Results end; only a server that keeps them for seconds lets one see it."""
    found = walk.task(walk.needs("finished"))
    until = found.get("result_until")
    if until is None:
        raise Unproved("results are kept for ever here")
    seconds = (parse_ns(until) - walk.now_ns()) / 1e9
    if seconds > walk.wait_seconds:
        raise Unproved(
            f"results are kept for {seconds / 3600:.0f} hours here; fly it where `task_result_seconds` is small"
        )
    expect(walk.wait_for(f"/v1/tasks/{found['task_id']}/result", 410), 410, "a result whose time is over")
    return "410"


SMOKE = Drill(
    "smoke",
    (
        Check("takes drills", "the server answers, and has the drill's pipeline", takes_drills),
        Check("accepts", "a task is accepted, with its address", _accepts),
        Check("same key", "the same request again is the same task", _same_key_same_task),
        Check("key misuse", "a key with another body is refused", _key_misuse),
        Check("progress", "progress never goes back, also when a step says less and when it is tried again", _progress),
        Check("stream", "the stream of a task tells how it stands, and ends with it", _stream),
        Check("retry by itself", "an attempt that fails is followed by another", _retried),
        Check("result", "the result is what the last step returned", _result),
        Check("too early", "there is no result before there is one", _early_result),
        Check("cancel", "a task under way can be canceled, once", _cancel),
        Check("cancel too late", "what is finished can't be canceled", _cancel_finished),
        Check("retry too late", "what has succeeded can't be retried", _retry_finished),
        Check("retry", "what failed is done again when somebody says so, once", _retry),
        Check("unknown", "what is not there is 404, whatever is asked of it", _unknown),
        Check("bad request", "a body that is no task is refused with a code", _bad_input),
        Check("story", "the journal tells every state in order", _story),
        Check("expired", "a result whose time is over is gone, and said to be", _expired),
    ),
)

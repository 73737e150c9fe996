"""A folder as a busy week leaves it: runs that went well and badly, a live one, a hung one, a long one, and a hostile one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from bench.lib.long_run import LongRun
from msgspec.structs import replace

import flightlog
from flightlog.audit.project import AuditProjector
from flightlog.config import Settings
from flightlog.deadletters.filter import LetterFilter
from flightlog.deadletters.plan import ReplayAsked
from flightlog.events.envelope import Event
from flightlog.ingest.otlp.unmapped import UnmappedProjector
from flightlog.journal.append import Journal
from flightlog.journal.tail import TailHub
from flightlog.runs.feedback_project import FeedbackProjector
from flightlog.runs.project import RunProjector
from flightlog.services import Services
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from flightlog.tasks.commands import Asked
from flightlog.tasks.pipeline import Pipeline, Retries
from flightlog.tasks.task import Task
from flightlog.wiring import make_intake
from flightlog.working.platform import Platform
from flightlog.working.replaying import make_replays
from tests.api.serving import START
from tests.console.spans import TRACE, parcel_trace
from tests.journeys.served import cli

SECOND = 1_000_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
LONG_EVENTS = 50_000
BATCH = 2_000
FAILING_TEST = "test_the_last_row_is_kept"

# Sets a mark that the tests look for, should it ever run.
SCRIPT = "</script><script>window.pwned = 1</script><img src=x onerror='window.pwned = 2'><svg onload='window.pwned = 3'>\"'&"
DIFF = """--- a/src/parse.py
+++ b/src/parse.py
@@ -1,4 +1,4 @@
 def rows(text):
-    return text.split("\\n")[:-1]
+    return text.splitlines()
"""


STACK = """Traceback (most recent call last):
  File "summarise.py", line 14, in write
    path.write_text(summary)
OSError: [Errno 28] No space left on device
"""


class Flown(NamedTuple):
    """The folder, and the runs in it by what they are."""

    folder: Path
    runs: dict[str, str]


def fly(folder: Path) -> Flown:
    """Record all of it."""
    done = cli("demo", "--dir", str(folder), "--no-serve", "--json")
    assert done.returncode == 0, done.stderr
    now = time.time_ns()
    runs = {"long": "the-long-run", "week": "week-0", "hung": "the-hung-run"}
    store = open_store(folder, writable=True)
    journal = Journal(store, [RunProjector(), FeedbackProjector(), AuditProjector(), UnmappedProjector(Settings())])
    append(journal, LongRun("the-long-run", LONG_EVENTS, now - 2 * DAY, name="port the parser"))
    for number in range(60):
        started = now - number * 150 * MINUTE - HOUR
        fails_at = None if number % 3 else 0.5
        size = 42 + number % 5 * 30
        append(journal, LongRun(f"week-{number}", size, started, name=f"fix issue {480 + number}", fails_at=fails_at))
    append(journal, LongRun("the-hung-run", 62, now - 3 * HOUR, name="upgrade the framework"), finished=False)
    runs["traced"] = a_traced_agent(journal, now - 20 * MINUTE)
    some_permissions(journal, now - 30 * MINUTE)
    runs |= some_tasks(store, journal, folder)
    store.close()
    with flightlog.open(folder, actor="agent-7") as recorder:
        runs["hostile"] = a_hostile_run(recorder)
        runs["loss"] = a_run_with_losses(recorder)
        runs["agent"] = a_working_agent(recorder)
        live = recorder.run("review the pull request", actor="reviewer").start()
        live.note("reading the diff")
        runs["live"] = live.id
        assert recorder.flush(timeout=30)
    return Flown(folder, runs)


def some_tasks(store: Store, journal: Journal, folder: Path) -> dict[str, str]:
    """Tasks that went well, that wait to be tried again, that failed of the same thing, and a plan to replay those."""
    settings = Settings()
    pipeline = Pipeline("summarise", ("QUEUED", "READING", "WRITING"), retries=Retries(seconds_base=3_600.0))
    services = Services(
        store=store, journal=journal, hub=TailHub(store, settings=settings), intake=make_intake(folder, settings)
    )
    platform = Platform(store, journal, services.intake, settings, pipelines={"summarise": pipeline}, alone=False)
    tasks = platform.tasks

    def handed_in(number: int, user: str) -> Task:
        asked = Asked("summarise", {"file": f"letter-{number}.pdf", "pages": [1, 2, 3]}, user)
        task = tasks.submit(asked)[0]
        return tasks.begin(task.task_id, 1, "worker-1")

    ids = {"task_done": tasks.done(tasks.done(handed_in(1, "ann"), {"pages": 3}), {"words": 1204}).task_id}
    for number in range(2, 6):
        task = tasks.done(handed_in(number, f"user-{number}"), {"pages": 3})
        error = {"kind": "OSError", "message": f"no room for letter-{number}.txt", "stack": STACK}
        ids["task_failed"] = tasks.failed(task, error, final=True).task_id
    ids["letter"] = f"{ids['task_failed']}.1"
    task = handed_in(6, "bob")
    ids["task_waiting"] = tasks.failed(task, {"kind": "TimeoutError", "message": "no answer", "stack": STACK}).task_id
    tasks.act(handed_in(7, SCRIPT).task_id, "cancel", reason=SCRIPT)
    ids["plan"] = make_replays(services).plan(ReplayAsked(filter=LetterFilter(pipeline="summarise")), "ann").plan_id
    services.hub.close()
    return ids


def append(journal: Journal, run: LongRun, finished: bool = True) -> None:
    """All events of a run, as a drain would hand them over."""
    batch: list[Event] = []
    for event in run.events(finished):
        batch.append(event)
        if len(batch) == BATCH:
            journal.append(batch, timeout=60)
            batch = []
    if batch:
        journal.append(batch, timeout=60)


def a_traced_agent(journal: Journal, started: int) -> str:
    """What an OpenTelemetry exporter sends of an agent, and what somebody thought of its last answer."""
    spans = [replace(event, created_at=event.created_at - START + started) for event in parcel_trace()]
    journal.append(spans, timeout=60)
    thought = {
        "target_id": f"{TRACE}-b4",
        "kind": "thumb",
        "value": "down",
        "comment": "When does it arrive?",
        "key": "k",
    }
    journal.append(
        [
            Event(
                event_id="thumb-1", type="feedback", created_at=started + HOUR, payload=raw({**thought, "value": "up"})
            ),
            Event(event_id="thumb-2", type="feedback", created_at=started + HOUR + SECOND, payload=raw(thought)),
        ]
    )
    return TRACE


def some_permissions(journal: Journal, started: int) -> None:
    """What a policy decided, and what was done; one record is of a task that nobody knows."""
    events: list[Event] = []
    asked = [("fs.write", "shop/login.py", "granted"), ("fs.write", "/etc/hosts", "denied"), ("net.fetch", "pypi.org", "denied"),
             ("repo.push", "acme/shop", "granted"), ("fs.write", "shop/cart.py", "granted")]  # fmt: skip
    for number, (capability, resource, word) in enumerate(asked):
        said = {"capability": capability, "resource": resource, "rule": "edits-inside-repo", "approver": "policy"}
        for step, decision in enumerate(("requested", word)):
            reason = {"reason": "it is outside of the repository"} if decision == "denied" else {}
            events.append(
                Event(
                    event_id=f"permission-{number}-{decision}",
                    type="capability_decision",
                    created_at=started + number * MINUTE + step * SECOND,
                    name=capability,
                    status=decision,
                    level="warn" if decision == "denied" else "info",
                    actor="agent-7",
                    correlation_id=f"permission-{number}",
                    payload=raw({**said, **reason, "decision": decision}),
                )
            )
    for operation, subject, task in (
        ("repo.push", ("repo", "acme/shop"), None),
        ("account.close", ("account", "4711"), "task-lost"),
    ):
        told = {"operation": operation, "subject_type": subject[0], "subject_id": subject[1], "outcome": "succeeded"}
        events.append(
            Event(
                event_id=f"done-{operation}",
                type="audit",
                created_at=started + 9 * MINUTE,
                name=operation,
                status="succeeded",
                actor="ann",
                task_id=task,
                payload=raw(told),
            )
        )
    journal.append(events, timeout=60)


def raw(payload: dict[str, Any]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(payload))


def a_working_agent(recorder: flightlog.Recorder) -> str:
    """Model calls with tools, a patch, tests that fail and then pass, a command, a decision: everything that is read."""
    with recorder.run("fix the login bug", task_id="issue-482", input="The login fails with capital letters.") as run:
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": "You fix bugs. Say what you do."},
            {"role": "user", "content": "The login fails when the e-mail address has capital letters."},
        ]
        for step in range(3):
            with run.span(f"step {step + 1}"), run.llm("coder-large", messages=messages) as call:
                said = {"role": "assistant", "content": f"**Step {step + 1}.** I look at `shop/login.py` first."}
                call.record({"choices": [{"message": said}], "usage": {"prompt_tokens": 1240, "completion_tokens": 96}})
                call.cost(0.0021)
            messages.append(said)
            with run.tool_call("read_file", {"path": "shop/login.py"}) as tool:
                tool.result("def same_user(a: str, b: str) -> bool:\n    return a == b\n" * 6)
        run.decision("network", "denied", reason="the sandbox has no network", resource="https://pypi.org")
        run.test_result(
            "unit tests", passed=41, failed=1, failures=[{"name": FAILING_TEST, "message": "assert 3 == 4"}]
        )
        run.patch_proposed(DIFF)
        run.patch_applied(DIFF)
        run.exec(["sh", "-c", "printf '\\033[32m42 passed\\033[0m in 1.2s\\n'"])
        run.test_result("unit tests", passed=42, failed=0)
        run.note("done", level="info")
        run.error(ValueError("the last row is missing"))
    return str(run.id)


def a_hostile_run(recorder: flightlog.Recorder) -> str:
    """Everything that a run says is HTML and script."""
    with recorder.run(SCRIPT, actor=SCRIPT, task_id=SCRIPT) as run:
        run.note(SCRIPT)
        run.emit("acme.hostile", {SCRIPT: SCRIPT, "list": [SCRIPT] * 3}, name=SCRIPT, source=SCRIPT)
        with run.llm(SCRIPT, messages=[{"role": "user", "content": SCRIPT}]) as call:
            call.record({"choices": [{"message": {"role": "assistant", "content": SCRIPT}}]})
        with run.tool_call(SCRIPT, {SCRIPT: SCRIPT}) as tool:
            tool.result(SCRIPT)
        run.patch_proposed(f"--- a/{SCRIPT}\n+++ b/{SCRIPT}\n@@ -1 +1 @@\n-{SCRIPT}\n+{SCRIPT}!\n")
        run.exec(["echo", SCRIPT])
        run.test_result(SCRIPT, passed=0, failed=1, failures=[{"name": SCRIPT, "message": SCRIPT}])
        run.error(ValueError(SCRIPT))
        with run.span(SCRIPT):
            run.emit("note", {"text": f"javascript:alert(1) {SCRIPT}"}, correlation_id=SCRIPT)
    return str(run.id)


def a_run_with_losses(recorder: flightlog.Recorder) -> str:
    """A stretch is missing, a payload is cut short, a secret is taken out."""
    with recorder.run("import the catalogue") as run:
        run.note("x" * 200_000)
        run.note("password=correct-horse-9-battery")
        run.emit("degraded", {"reason": "queue_full", "count": 132, "from_ns": time.time_ns() - 5 * SECOND})
        run.note("going on", level="warn")
    return str(run.id)

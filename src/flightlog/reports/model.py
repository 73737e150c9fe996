"""A run report as data: every line of it names the event that it was taken from.

Times (`at`) are RFC 3339 in UTC. Texts are cut to what a page carries, without control characters; how much is missing is said.
"""

from __future__ import annotations

import msgspec

from flightlog.runs.rollup import Group, ModelGroup


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What every line has: its event by id and by place in the journal, and when it was."""

    event_id: str
    id: int
    at: str


class Text(msgspec.Struct, frozen=True):
    """A text, and in words how much of it is not here; empty when it is whole."""

    text: str
    left_out: str = ""


class Said(Line, frozen=True, kw_only=True):
    """What the run was asked, what came of it, or a note. `by` says whose words they are, where they are not the run's own."""

    text: Text
    by: str = ""
    facts: list[tuple[str, str]] = []


class Command(Line, frozen=True, kw_only=True):
    """A command that was run, by the run itself or by a tool. `ended` says how: `exit 1`, `timed out`, `signal SIGKILL`, `ok`,
    `error`, or `did not end`; `exit_code` is None where none was recorded."""

    command: str
    tool: str | None
    ended: str
    ok: bool
    exit_code: int | None
    duration_ns: int | None
    output: Text


class PatchFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a patch. `change` is added, modified, deleted or renamed."""

    path: str
    change: str
    added: int
    deleted: int
    old_path: str | None


class Patch(Line, frozen=True, kw_only=True):
    """A patch. `state` is proposed, applied or failed; a proposal that was answered is told with its answer."""

    state: str
    ok: bool
    proposed_event_id: str | None
    files: list[PatchFile]
    files_left_out: int
    added: int
    deleted: int
    preview: Text
    error: str


class Failure(msgspec.Struct, frozen=True):
    """A test that failed, and what it said."""

    name: str
    message: str


class TestRun(Line, frozen=True, kw_only=True):
    """Tests that were run. `status` is passed, failed, error, skipped, or `did not end`."""

    name: str
    status: str
    ok: bool
    counts: list[tuple[str, int]]
    failures: list[Failure]
    failures_left_out: int
    exit_code: int | None
    duration_ns: int | None
    output: Text


class Decision(Line, frozen=True, kw_only=True):
    """A permission: asked for (`requested`, where nobody answered), granted or denied."""

    capability: str
    decision: str
    resource: str
    actor: str
    facts: list[tuple[str, str]]


class Opinion(Line, frozen=True, kw_only=True):
    """Feedback on the run, a model call or a span of it."""

    about: str
    kind: str
    value: str
    comment: str
    given_by: str


class Trouble(Line, frozen=True, kw_only=True):
    """An event of type error, or at level error."""

    kind: str
    message: str


class Gap(Line, frozen=True, kw_only=True):
    """When recording was not whole. `lost` is the number of events that are known to be missing; 0 where none is."""

    lost: int
    text: str


class Reason(msgspec.Struct, frozen=True):
    """Why, and the event that says so."""

    text: str
    event_id: str


class Care(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to payloads of the run: `what` is truncated, redacted, withheld, erased, invalid, orphan or imported.

    `examples` are the first events that it was done to; `because` says in words why, where that is recorded.
    """

    what: str
    count: int
    examples: list[str]
    because: list[Reason]


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of a model or a tool in sum, and the first of them."""

    name: str
    event_id: str | None
    group: ModelGroup | Group


class RunSeal(msgspec.Struct, frozen=True, kw_only=True):
    """How far the journal is sealed, and what that means for the run.

    Journal ids up to `sealed_id` are leaves of the tree, those up to `signed_id` are under a signed checkpoint; `events` are the
    run's, `covered` those of them that the checkpoint covers. `origin` is the log's name; `trouble` says why its checkpoint
    can't be believed.
    """

    origin: str
    trouble: str | None

    sealed_id: int
    signed_id: int
    events: int
    covered: int
    first_id: int | None
    last_id: int | None


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report. `left_out` says how much each list does not show; what is not listed is still counted in `totals`."""

    run_id: str
    name: str
    status: str
    verdict: str
    because: list[Reason]
    made_at: str
    started_at: str
    finished_at: str | None
    duration_ns: int | None
    project: str
    actor: str | None
    task_id: str | None
    trace_id: str | None
    source: str | None
    asked: Said | None
    outcome: Said | None
    commands: list[Command]
    patches: list[Patch]
    tests: list[TestRun]
    models: list[Sum]
    tools: list[Sum]
    decisions: list[Decision]
    feedback: list[Opinion]
    errors: list[Trouble]
    notes: list[Said]
    gaps: list[Gap]
    care: list[Care]
    seal: RunSeal
    totals: dict[str, int]
    tokens: dict[str, int]
    cost_usd: float
    counts: dict[str, int]
    left_out: dict[str, int]

"""Every error as a problem document (RFC 9457): one table from error class to status, code and words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from flightlog import errors
from flightlog.errors import FlightlogError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1


class Kind(NamedTuple):
    """One kind of problem. `code` is the status times 100 plus a number, and never changes its meaning."""

    code: int
    slug: str
    title: str
    advice: str

    @property
    def status(self) -> int:
        return self.code // 100

    @property
    def type(self) -> str:
        return f"/problems/{self.slug}"


# 400: the request can't be read. 422: it can be read, and breaks a rule. 40302, 40901 and 42201 belong to quota, key
# conflicts and illegal moves, so they stay free here.
KINDS: dict[type[FlightlogError], Kind] = {
    errors.BadInput: Kind(40000, "bad-input", "The input can't be taken", "Look at `detail`."),
    errors.BodyInvalid: Kind(
        40001,
        "body-invalid",
        "The body can't be read",
        "Send valid JSON in UTF-8 of the shape that the endpoint describes; `detail` says where reading stopped.",
    ),
    errors.SettingInvalid: Kind(
        40002, "setting-invalid", "A setting can't be what it is set to", "Mend the setting that `facts.name` names."
    ),
    errors.PricesInvalid: Kind(
        40016, "prices-invalid", "The price list can't be used", "Mend `prices.toml` in the data folder."
    ),
    errors.RetentionInvalid: Kind(
        40018, "retention-invalid", "The rules of retention can't be used", "Mend `retention.toml` in the data folder."
    ),
    errors.NoteInvalid: Kind(
        40017, "note-invalid", "The signed note can't be believed", "Check the file and the key that you trust."
    ),
    errors.ImportInvalid: Kind(
        40003, "import-invalid", "The file can't be imported", "Check that the file is of the format that you named."
    ),
    errors.FilterInvalid: Kind(
        40004, "filter-invalid", "A filter can't be used", "Mend the parameter that `detail` names."
    ),
    errors.QueryInvalid: Kind(
        40014,
        "query-invalid",
        "The query can't be read",
        "Mend the stretch that begins at character `at`, counted from 0, and is `length` long.",
    ),
    errors.SqlInvalid: Kind(
        40019,
        "sql-invalid",
        "The SQL can't be run",
        "Mend the stretch that begins at character `facts.at`; `DESCRIBE events` shows the columns of a view.",
    ),
    errors.PipelineInvalid: Kind(
        40021, "pipeline-invalid", "The pipeline can't be declared", "Mend what `detail` names in its declaration."
    ),
    errors.PipelinesNotLoaded: Kind(
        40024,
        "pipelines-not-loaded",
        "Pipelines can't be loaded",
        "Name a module, a class of a module (pkg.module:Class) or a file that Python can import.",
    ),
    errors.KeyInvalid: Kind(
        40022, "key-invalid", "The Idempotency-Key can't be used", "Use something such as a UUID, new for each request."
    ),
    errors.TaskInputTooLarge: Kind(
        41302,
        "task-input-too-large",
        "The input of the task is too large",
        "Put large things elsewhere and hand in where, or raise task_input_bytes_max.",
    ),
    errors.TaskInvalid: Kind(
        42213, "task-invalid", "The task can't be taken as it was asked for", "Mend what `detail` names."
    ),
    errors.ResultMissing: Kind(
        42214,
        "result-missing",
        "The task has no result",
        "Wait until its state is SUCCEEDED: follow `/v1/tasks/{task_id}/stream`.",
    ),
    errors.ResultExpired: Kind(
        41001,
        "result-expired",
        "The result is not kept any more",
        "Have the work done by a new task, or raise task_result_seconds for those to come.",
    ),
    errors.TaskErased: Kind(
        41002,
        "task-erased",
        "What the task was given was erased",
        "Ask for a new task, if the work may be done at all.",
    ),
    errors.KeyMisused: Kind(
        40901, "key-misused", "The Idempotency-Key belongs to another request", "Use a key of its own for each request."
    ),
    errors.VersionConflict: Kind(
        40903,
        "version-conflict",
        "Somebody else changed it meanwhile",
        "Read it again, and see whether it is still to be done.",
    ),
    errors.MoveIllegal: Kind(
        42201,
        "move-illegal",
        "The task can't go there from where it is",
        "Read the task; `facts.before` is the state that it is in.",
    ),
    errors.LetterNotFound: Kind(
        40415, "letter-not-found", "There is no such dead letter", "GET /v1/deadletters lists them, the latest first."
    ),
    errors.ReplayNotFound: Kind(
        40416, "replay-not-found", "There is no such plan", "GET /v1/deadletters/plans lists them, the latest first."
    ),
    errors.ReplaySetChanged: Kind(
        40905,
        "replay-set-changed",
        "Other letters match than those that were planned",
        "Make a new plan, look at it, and apply that. A time as `until` keeps out what fails meanwhile.",
    ),
    errors.ReplayUnconfirmed: Kind(
        40310,
        "replay-unconfirmed",
        "The replay has to be confirmed",
        "Send `facts.confirm` as `confirm`, if that is what you want, or plan it with less concurrency.",
    ),
    errors.ReplayInvalid: Kind(
        42211, "replay-invalid", "The replay can't be planned or applied", "Mend what `detail` names."
    ),
    errors.ReplayMoveIllegal: Kind(
        42212, "replay-move-illegal", "The plan can't do that where it stands", "Read the plan; a new one can be made."
    ),
    errors.TaskNotFound: Kind(40411, "task-not-found", "There is no such task", "Check the id."),
    errors.PipelineNotFound: Kind(
        40412,
        "pipeline-not-found",
        "There is no such pipeline",
        "Declare it where the server and its workers load pipelines from.",
    ),
    errors.QuotaExceeded: Kind(
        40302, "quota-exceeded", "The quota is used up", "Wait until a task under way ends, or have the quota raised."
    ),
    errors.LedgerBroken: Kind(
        50023, "ledger-broken", "The ledger of usage does not add up", "Run `flightlog doctor` on the folder."
    ),
    errors.LimitInvalid: Kind(
        40005,
        "limit-invalid",
        "The limit is out of range",
        "Ask for 1 to `facts.limit_max` and follow the cursor for more.",
    ),
    errors.CursorInvalid: Kind(
        40006,
        "cursor-invalid",
        "The cursor is not one of ours",
        "Hand back a cursor as it was given, or start without one.",
    ),
    errors.StatsTooMuch: Kind(
        40020, "stats-too-much", "The numbers are too many to count at once", "Ask for less time, or for other groups."
    ),
    errors.ParameterUnknown: Kind(
        40007,
        "parameter-unknown",
        "There is no such parameter",
        "A misspelt filter would show the wrong data, so it is refused; `facts.known` lists the parameters.",
    ),
    errors.Refused: Kind(40300, "refused", "That is not allowed", "Look at `detail`."),
    errors.SqlRefused: Kind(
        40308,
        "sql-refused",
        "The SQL is not run",
        "One SELECT over the documented views is run, and nothing that reaches outside of them.",
    ),
    errors.PermissionDenied: Kind(
        40306,
        "permission-denied",
        "The permission was denied",
        "`facts.rule` names the rule; GET /api/audits?decision=denied lists what was denied.",
    ),
    errors.TaskUnderWay: Kind(
        40311,
        "task-under-way",
        "The task is under way",
        "Cancel it, or wait until it is over; then it can be erased.",
    ),
    errors.EventsHeld: Kind(
        40307,
        "events-held",
        "The events are under a legal hold",
        "GET /api/retention/holds lists the holds; what is held is removed or erased after its release alone.",
    ),
    errors.BindRefused: Kind(
        40303, "bind-refused", "Loopback only", "Bind to 127.0.0.1; put a proxy that authenticates in front for others."
    ),
    errors.HostRefused: Kind(
        40304,
        "host-refused",
        "The Host header is not this server's",
        "Use http://127.0.0.1:PORT, http://localhost:PORT or http://[::1]:PORT; a proxy has to send one of these as Host.",
    ),
    errors.OriginRefused: Kind(
        40305,
        "origin-refused",
        "The request comes from another site's page",
        "Call from a page of this server, or from a program that sends no Origin.",
    ),
    errors.NotFound: Kind(40400, "not-found", "There is no such thing", "Check the id."),
    errors.RunNotFound: Kind(
        40401,
        "run-not-found",
        "There is no such run",
        "Check the id, and that this server keeps the folder you recorded to.",
    ),
    errors.EventNotFound: Kind(
        40402,
        "event-not-found",
        "There is no such event",
        "Check the id; an event shows up once it is out of the spool.",
    ),
    errors.EventTypeNotFound: Kind(
        40403, "event-type-not-found", "There is no such event type", "GET /api/catalogue lists the built-in types."
    ),
    errors.GenerationNotFound: Kind(
        40406,
        "generation-not-found",
        "There is no such generation",
        "GET /api/generations lists them; one shows up once its events are out of the spool.",
    ),
    errors.ViewNotFound: Kind(
        40405, "view-not-found", "There is no such saved view", "GET /api/views lists them; it may have been deleted."
    ),
    errors.HoldNotFound: Kind(
        40410, "hold-not-found", "There is no such hold", "GET /api/retention/holds lists those that stand."
    ),
    errors.FeedbackNotFound: Kind(
        40407, "feedback-not-found", "There is no such feedback", "GET /api/feedback lists it, the latest first."
    ),
    errors.EvidenceMissing: Kind(
        40408, "evidence-missing", "There is no evidence of that yet", "Ask again in a second, once it is sealed."
    ),
    errors.AuditNotFound: Kind(
        40409,
        "audit-not-found",
        "There is no such audit record",
        "GET /api/audits lists them; one shows up once its event is out of the spool.",
    ),
    errors.EventIdConflict: Kind(
        40902,
        "event-id-conflict",
        "The event id is taken",
        "Give each event its own id; to send one again, send it exactly as before, created_at too.",
    ),
    errors.BodyTooLarge: Kind(
        41301,
        "body-too-large",
        "The body is too large",
        "Send smaller batches; `facts.limit` is the most bytes, unpacked.",
    ),
    errors.MediaTypeUnsupported: Kind(
        41501, "media-type-unsupported", "The content type is not read here", "Send what `facts.expected` names."
    ),
    errors.EventInvalid: Kind(
        42202, "event-invalid", "The event breaks a rule", "GET /api/catalogue/TYPE shows the schema and an example."
    ),
    errors.EventTypeUnknown: Kind(
        42203,
        "event-type-unknown",
        "The event type is not known",
        "Use a built-in type (GET /api/catalogue), or put your own into a namespace: `acme.reindexed`.",
    ),
    errors.RunMissing: Kind(42204, "run-missing", "The event names no run", "Give `run_id`; any id of yours will do."),
    errors.FieldTooLong: Kind(
        42205,
        "field-too-long",
        "A field is too long",
        "Shorten it to `facts.limit` characters; long text belongs in the payload.",
    ),
    errors.ViewInvalid: Kind(
        42206, "view-invalid", "The view can't be saved", "Mend what `detail` names, or delete views that nobody needs."
    ),
    errors.FeedbackInvalid: Kind(
        42207,
        "feedback-invalid",
        "The feedback can't be taken",
        "Mend what `detail` names: a score is a finite number, a thumb `up` or `down`, a label and a comment a text.",
    ),
    errors.SqlStopped: Kind(
        42208,
        "sql-stopped",
        "The query was stopped",
        "It takes more than a query may: ask for less (a time range, fewer columns, LIMIT), or raise the setting.",
    ),
    FlightlogError: Kind(50001, "failed", "It could not be done", "Look at `detail` and at the server's log."),
    errors.StoreBroken: Kind(
        50002, "store-broken", "The store needs attention", "Run `flightlog doctor` on the folder."
    ),
    errors.StoreTooNew: Kind(
        50003, "store-too-new", "The store is newer than this Flightlog", "Upgrade Flightlog on this machine."
    ),
    errors.StoreGone: Kind(
        50004,
        "store-gone",
        "The store was removed while open",
        "Put the file back, or restart the server to begin anew.",
    ),
    errors.SealBroken: Kind(
        50011, "seal-broken", "The seal does not fit the journal", "Run `flightlog verify` on the folder."
    ),
    errors.ErasureIncomplete: Kind(
        50012, "erasure-incomplete", "Something of an erased payload is left", "Look at `detail`, and erase again."
    ),
    errors.TileMissing: Kind(
        50009, "tile-missing", "A piece of the seal is missing", "Run `flightlog doctor` on the folder."
    ),
    errors.TileBroken: Kind(
        50010, "tile-broken", "A piece of the seal is damaged", "Run `flightlog doctor` on the folder."
    ),
    errors.ServerExtraMissing: Kind(
        50005, "server-extra-missing", "The server extra is missing", "pip install 'flightlog[server]'"
    ),
    errors.GrpcExtraMissing: Kind(
        50013, "grpc-extra-missing", "The grpc extra is missing", "Install it: pip install 'flightlog[grpc]'."
    ),
    errors.PostgresExtraMissing: Kind(
        50022,
        "postgres-extra-missing",
        "The postgres extra is missing",
        "Install it: pip install 'flightlog[postgres]'.",
    ),
    errors.DbosExtraMissing: Kind(
        50024, "dbos-extra-missing", "The dbos extra is missing", "Install it: pip install 'flightlog[dbos]'."
    ),
    errors.McpExtraMissing: Kind(
        50021, "mcp-extra-missing", "The mcp extra is missing", "Install it: pip install 'flightlog[mcp]'."
    ),
    errors.ArchiveExtraMissing: Kind(
        50016, "archive-extra-missing", "The archive extra is missing", "Install it: pip install 'flightlog[archive]'."
    ),
    errors.ArchiveFileMissing: Kind(
        50014,
        "archive-file-missing",
        "A file of the archive is missing",
        "Put it back from a copy; nothing else has it.",
    ),
    errors.BackupBroken: Kind(
        50019,
        "backup-broken",
        "A backup can't be relied on",
        "Use another backup; if it was being made, look at the file that `detail` names.",
    ),
    errors.ArchiveFileBroken: Kind(
        50015,
        "archive-file-broken",
        "A file of the archive is damaged",
        "Put it back from a copy; nothing else has it.",
    ),
    errors.IndexUnsupported: Kind(
        50008, "index-unsupported", "This store makes no text index", "Search without one, or keep the store in SQLite."
    ),
    errors.NotOnThisStore: Kind(
        50101,
        "not-on-this-store",
        "This store can't do that",
        "docs/how-to/postgresql.md says what is not there with PostgreSQL, and what to use instead.",
    ),
    errors.RedactionFailed: Kind(
        50007,
        "redaction-failed",
        "The event could not be shown to be free of secrets",
        "Its payload is withheld.",
    ),
    errors.Unavailable: Kind(50300, "unavailable", "Not possible right now", "Try again after `Retry-After` seconds."),
    errors.StoreBusy: Kind(
        50301, "store-busy", "The store is busy", "Nothing was stored; send the same again after `Retry-After` seconds."
    ),
    errors.StoreUnavailable: Kind(
        50302,
        "store-unavailable",
        "The store can't be written",
        "Nothing was stored; look at the disk, then send the same again.",
    ),
    errors.StoreUncertain: Kind(
        50303,
        "store-uncertain",
        "It may or may not be stored",
        "Send the same events again with the same ids: what is there already counts as a duplicate.",
    ),
    errors.WriterLocked: Kind(
        50304,
        "writer-locked",
        "Another process is the writer",
        "Send the request to the process that `facts.pid` names.",
    ),
    errors.ServerUnavailable: Kind(
        50305, "server-unavailable", "The server did not answer", "Nothing is lost: events wait in the local spool."
    ),
    errors.AuditNotStored: Kind(
        50308,
        "audit-not-stored",
        "The audit record is not in the store",
        "Look at `facts.state`: what is spooled gets there once the spool is delivered, what failed was not recorded.",
    ),
    errors.ArchiveUnavailable: Kind(
        50311,
        "archive-unavailable",
        "The archive does not answer",
        "Look at the disk or the object store that `facts.place` names, then try again.",
    ),
    errors.WitnessFailed: Kind(
        50309, "witness-failed", "A checkpoint is not at every witness", "Mend what `detail` names; it is sent again."
    ),
    errors.SqlBusy: Kind(
        50315, "sql-busy", "Too many queries run", "Ask again after `Retry-After` seconds, or raise sql_children_max."
    ),
    errors.SqlFailed: Kind(
        50316, "sql-failed", "The query came to no end", "Ask again; `detail` says what happened to its process."
    ),
    errors.VerifierBusy: Kind(
        50310,
        "verifier-busy",
        "The store is being verified already",
        "Wait for the verification that is under way, or verify one run or event.",
    ),
    errors.TasksUnavailable: Kind(
        50317, "tasks-unavailable", "This server takes no tasks", "Ask a server that keeps the store."
    ),
    errors.WatchersFull: Kind(
        50306,
        "watchers-full",
        "Too many event streams are open",
        "Close streams nobody reads, poll with afterId, or raise sse_watchers_max.",
    ),
    errors.ReaderLost: Kind(
        50318,
        "reader-lost",
        "The process that reads OpenTelemetry ended",
        "Send the same again: what was stored of it counts as a duplicate. If it ends each time, set otlp_process to false and"
        " report it.",
    ),
    errors.ReceiverBusy: Kind(
        50307,
        "receiver-busy",
        "Too many requests of OpenTelemetry are under way",
        "Nothing was stored; send the same again after `Retry-After` seconds, or raise otlp_requests_max.",
    ),
}

INTERNAL = Kind(
    50000,
    "internal",
    "Something went wrong inside",
    "The server's log has the cause under `request_id`; please report it.",
)
PATH_UNKNOWN = Kind(40404, "path-unknown", "There is nothing at this path", "GET /openapi.json lists the paths.")
METHOD_UNKNOWN = Kind(
    40500, "method-not-allowed", "This path does not take that method", "The `Allow` header lists the methods."
)
# What the framework refuses by itself, by status.
HTTP_KINDS: dict[int, Kind] = {404: PATH_UNKNOWN, 405: METHOD_UNKNOWN, 500: INTERNAL}

ALL_KINDS: dict[str, Kind] = {kind.slug: kind for kind in (*KINDS.values(), *HTTP_KINDS.values())}


def kind_of(error: type[FlightlogError]) -> Kind:
    """The kind of an error class; a class that is not in the table is of its nearest parent's kind."""
    return next(KINDS[cls] for cls in error.__mro__ if cls in KINDS)


class Problem(NamedTuple):
    """One problem that happened. `extra` holds members that only this kind of answer has."""

    kind: Kind
    detail: str
    facts: Mapping[str, Any] = {}
    extra: Mapping[str, Any] = {}
    headers: Mapping[str, str] = {}

    def document(self, instance: str, request_id: str) -> dict[str, Any]:
        """The members of the problem document. What our messages say of an error is in `facts`, under its own name."""
        document: dict[str, Any] = {
            "type": self.kind.type,
            "title": self.kind.title,
            "status": self.kind.status,
            "code": self.kind.code,
            "detail": self.detail,
            "instance": quote(instance, safe="/:@!$&'()*+,;=~"),
            "request_id": request_id,
        }
        if self.facts:
            document["facts"] = dict(self.facts)
        return {**document, **self.extra}

    def response(self, instance: str, request_id: str) -> Response:
        """The answer over HTTP."""
        body = msgspec.json.encode(self.document(instance, request_id), enc_hook=str)
        return Response(body, self.kind.status, dict(self.headers), MEDIA_TYPE)


_QUERY = KINDS[errors.QueryInvalid]
_PLACE = ("at", "length")


def problem_of(error: FlightlogError, extra: Mapping[str, Any] | None = None) -> Problem:
    """The problem that an error of ours is."""
    kind = kind_of(type(error))
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if kind.status == 503 else {}
    place = {name: error.facts[name] for name in _PLACE if name in error.facts} if kind is _QUERY else {}
    return Problem(kind, error.message, error.facts, {**place, **(extra or {})}, headers)


def internal_problem() -> Problem:
    """What the outside learns of an error that we did not foresee: nothing but that it is in the log."""
    return Problem(INTERNAL, "This is a fault of the server; its log has the cause under this request id.")

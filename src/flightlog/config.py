"""Every limit and switch, by name, with its unit last in the name and its default here.

A value is taken from the first place that gives one: the call (`flightlog.open(..., settings=Settings(...))`), the
environment (`FLIGHTLOG_` and the name in capitals), `flightlog.toml` in the data folder, the default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from flightlog.errors import SettingInvalid

KIB, MIB, GIB = 1024, 1024**2, 1024**3
INT64_MAX = 2**63 - 1
DRILL_PIPELINE = "flightlog-drill"  # whose failures are meant, so that nobody is alerted of them


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one recorder or server. `HELP` says what each is for."""

    project: str = "default"
    payload_bytes_max: int = 64 * KIB
    payload_depth_max: int = 32
    payload_items_max: int = 1_000
    truncate_string_bytes_min: int = 1 * KIB
    redact: bool = True
    redact_keys: tuple[str, ...] = ()
    redact_patterns: tuple[str, ...] = ()
    redact_allow: tuple[str, ...] = ()
    spool_bytes_max: int = 1 * GIB
    spool_segment_bytes_max: int = 16 * MIB
    spool_reserve_bytes: int = 4 * MIB
    spool_wait_ms_max: int = 1_000
    drain_batch_events_max: int = 2_000
    drain_batch_bytes_max: int = 4 * MIB
    drain_poll_seconds: float = 0.05
    drain_share_max: float = 0.1
    flush_timeout_seconds: float = 5.0
    audit_timeout_seconds: float = 5.0
    heartbeat_seconds: float = 10.0
    hung_seconds: float = 60.0
    exec_output_bytes_max: int = 16 * KIB
    http_timeout_seconds: float = 10.0
    http_retry_seconds_base: float = 0.5
    http_retry_seconds_max: float = 30.0
    sqlite_synchronous: str = "NORMAL"
    postgres_readers_max: int = 20
    postgres_wait_seconds: float = 5.0
    postgres_statement_seconds_max: float = 60.0
    postgres_idle_seconds_max: float = 20.0
    write_timeout_seconds: float = 5.0
    write_group_max: int = 64
    tail_poll_seconds: float = 0.1
    page_events_default: int = 100
    page_events_max: int = 1_000
    page_runs_max: int = 500
    facet_runs_max: int = 100_000
    compare_steps_max: int = 20_000
    search_events_max: int = 10_000
    body_bytes_max: int = 32 * MIB
    batch_events_max: int = 10_000
    otlp_requests_max: int = 32
    otlp_process: bool = True
    otlp_grpc_port: int | None = None
    unmapped_keys_max: int = 200
    unmapped_scopes_max: int = 500
    seal: bool = True
    seal_seconds: float = 0.5
    seal_share_max: float = 0.15
    seal_batch_events_max: int = 2_000
    seal_witnesses: tuple[str, ...] = ()
    seal_witness_seconds: float = 3600.0
    seal_key_overlap_seconds: float = 30 * 24 * 3600.0
    retention: bool = True
    retention_seconds: float | None = 7 * 24 * 3600.0
    retention_audit_seconds: float | None = None
    retention_summaries_seconds: float | None = 365 * 24 * 3600.0
    retention_every_seconds: float = 3600.0
    retention_share_max: float = 0.15
    run_events_max: int = 1_000_000
    archive: bool = True
    archive_url: str | None = None
    archive_s3_endpoint: str | None = None
    archive_after_seconds: float = 86400.0
    hot_events_max: int = 1_000_000
    archive_seconds: float = 10.0
    archive_share_max: float = 0.15
    archive_file_events_max: int = 250_000
    archive_file_bytes_max: int = 64 * MIB
    archive_grace_seconds: float = 60.0
    archive_cache_bytes_max: int = 4 * GIB
    reserve_bytes: int = 64 * MIB
    data_bytes_max: int | None = None
    sql_seconds_max: float = 30.0
    sql_memory_bytes_max: int = 1 * GIB
    sql_spill_bytes_max: int = 1 * GIB
    sql_rows_max: int = 10_000
    sql_export_rows_max: int = 1_000_000
    sql_result_bytes_max: int = 64 * MIB
    sql_children_max: int = 2
    sse_heartbeat_seconds: float = 15.0
    sse_watchers_max: int = 256
    task_input_bytes_max: int = 256 * KIB
    task_priority_max: int = 100
    task_units_max: int = 1_000_000_000
    task_deadline_seconds_max: float = 366 * 24 * 3600.0
    task_result_seconds: float = 7 * 24 * 3600.0
    task_kept_seconds: float = 30 * 24 * 3600.0
    task_deaths_max: int = 3
    task_result_bytes_max: int = 256 * KIB
    pipelines: tuple[str, ...] = ()
    worker_concurrency: int = 8
    worker_heartbeat_seconds: float = 5.0
    worker_silent_seconds: float = 20.0
    worker_drain_seconds: float = 30.0
    worker_sweep_seconds: float = 1.0
    idempotency_seconds: float = 24 * 3600.0
    queue_engine: str = "own"
    queue_sweep_seconds: float = 1.0
    outbox_batch_max: int = 50
    outbox_attempts_max: int = 10
    outbox_retry_seconds_base: float = 1.0
    outbox_retry_seconds_max: float = 300.0
    outbox_kept_seconds: float = 24 * 3600.0
    drills: bool = True
    dead_letter_window_seconds: float = 600.0
    dead_letter_ratio_max: float = 0.01
    dead_letter_sample_min: int = 20
    dead_letter_age_seconds_max: float = 24 * 3600.0
    dead_letter_clear_share: float = 0.5
    dead_letter_check_seconds: float = 5.0
    dead_letter_kept_seconds: float = 90 * 24 * 3600.0
    replay_letters_max: int = 50_000
    replay_concurrency_max: int = 10
    replay_concurrency_high_max: int = 20
    replay_confirm_letters_min: int = 50
    replay_chain_max: int = 5
    replay_stop_failures_ratio: float = 0.2
    replay_stage_seconds: float = 600.0
    replay_lease_seconds: float = 15.0
    mcp_answer_chars_max: int = 24_000

    @classmethod
    def load(cls, folder: Path | None = None, environ: Mapping[str, str] = os.environ, **given: Any) -> Settings:
        """The settings in force. Raises SettingInvalid with the name of the setting that is wrong."""
        values: dict[str, Any] = {}
        file = folder / "flightlog.toml" if folder else None
        if file and file.is_file():
            import tomllib  # most folders have no such file, and every import of flightlog would pay for it

            try:
                values.update(tomllib.loads(file.read_text("utf-8")))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
                raise SettingInvalid(name=str(file), value="", reason=str(error)) from error
        for name in cls.__struct_fields__:
            text = environ.get("FLIGHTLOG_" + name.upper())
            if text is not None:
                values[name] = [part.strip() for part in text.split(",") if part.strip()] if name in _LISTS else text
        values.update(given)
        checked = {name: _convert(cls, name, value) for name, value in values.items()}
        return cls(**checked)


_LISTS = {"redact_keys", "redact_patterns", "redact_allow", "seal_witnesses", "pipelines"}


def _convert(cls: type[Settings], name: str, value: Any) -> Any:
    if name not in cls.__annotations__:
        raise SettingInvalid(name=name, value=value, reason="there is no such setting")
    try:
        kind = {field.name: field.type for field in msgspec.structs.fields(cls)}[name]
        made = msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingInvalid(name=name, value=value, reason=str(error)) from error
    if isinstance(made, int | float) and not isinstance(made, bool) and made < 0:
        raise SettingInvalid(name=name, value=value, reason="it can't be negative")
    if isinstance(made, int) and made > INT64_MAX:
        raise SettingInvalid(name=name, value=value, reason="it does not fit in 64 bits")
    if name == "sqlite_synchronous" and made not in ("NORMAL", "FULL"):
        raise SettingInvalid(name=name, value=value, reason="it is NORMAL or FULL")
    if name == "queue_engine" and made not in ("own", "dbos"):
        raise SettingInvalid(name=name, value=value, reason="it is own or dbos")
    return made


HELP: dict[str, str] = {
    "project": "The project that events belong to when the caller names none.",
    "payload_bytes_max": "Largest payload kept whole, in bytes of JSON; a larger one is truncated to a preview.",
    "payload_depth_max": "Deepest nesting kept in a payload; what lies deeper is replaced by a note.",
    "payload_items_max": "Most items kept of one list or object when a payload has to be truncated.",
    "truncate_string_bytes_min": "When a payload has to be truncated, strings shorter than this stay whole.",
    "redact": "Whether secrets are taken out before anything touches a disk.",
    "redact_keys": "More key names whose values are always redacted.",
    "redact_patterns": "More patterns (RE2 syntax) whose matches are redacted.",
    "redact_allow": "Patterns (RE2 syntax): a secret that one of them matches in full is left as it is.",
    "spool_bytes_max": "Most bytes of the disk that undelivered events may take; beyond it events are shed.",
    "spool_segment_bytes_max": "Size at which a process starts its next spool segment.",
    "spool_reserve_bytes": "Free bytes on the disk that the spool leaves alone.",
    "spool_wait_ms_max": "Longest wait for a thread that hangs in its write, once per hang; then events are dropped, and counted.",
    "drain_batch_events_max": "Most events handed to the store in one transaction.",
    "drain_batch_bytes_max": "Most bytes handed to the store in one transaction.",
    "drain_poll_seconds": "How often the drain looks for new events.",
    "drain_share_max": "Most of one core's time that a drain in the host's process takes while nobody waits, 0 to 1.",
    "flush_timeout_seconds": "How long flush() and close() wait when the caller does not say.",
    "audit_timeout_seconds": "How long an audit record is waited for, where somebody waits for it.",
    "heartbeat_seconds": "How often an open run says that it is alive.",
    "hung_seconds": "A running run that was silent for longer is shown as hung; a task's own run never is.",
    "exec_output_bytes_max": "Most bytes kept of each end (head, tail) of a command's output.",
    "http_timeout_seconds": "How long the HTTP sink waits for a server's answer.",
    "http_retry_seconds_base": "First wait after a failed delivery over HTTP; it doubles, with jitter.",
    "http_retry_seconds_max": "Longest wait between two deliveries over HTTP.",
    "sqlite_synchronous": "NORMAL (survives a crash of the process) or FULL (survives a power cut at each commit).",
    "postgres_readers_max": "Most connections of one process that read from PostgreSQL; it has two more, to write and to listen.",
    "postgres_wait_seconds": "How long PostgreSQL is waited for when connecting, and how long a read waits for a free connection.",
    "postgres_statement_seconds_max": "Longest that one statement of a read may take on PostgreSQL.",
    "postgres_idle_seconds_max": "How long an open write on PostgreSQL may stand still before the server ends it, so that a "
    "process that hangs does not keep others from writing.",
    "write_timeout_seconds": "How long a write waits for its commit before it reports StoreBusy.",
    "write_group_max": "Most writes that share one commit.",
    "tail_poll_seconds": "How often a tail looks for commits of another process.",
    "page_events_default": "Events on a page when the caller names no limit.",
    "page_events_max": "Most events on a page.",
    "page_runs_max": "Most runs on a page.",
    "search_events_max": "Most events that one page of a search for a text looks at.",
    "compare_steps_max": "Most steps of a run that are compared with those of another.",
    "facet_runs_max": "Most runs that are counted for the facets and the histogram of a list, the newest first.",
    "body_bytes_max": "Largest request body read, in bytes, after decompression too.",
    "batch_events_max": "Most events in one POST.",
    "otlp_requests_max": "Most OpenTelemetry requests being read or stored at once; one more is asked to come again.",
    "otlp_process": "Whether large OpenTelemetry requests are read in a process of their own, which begins with the first of them.",
    "otlp_grpc_port": "Port on which `flightlog up` takes OTLP/gRPC too, usually 4317; 0 is any free one. It is none unless set.",
    "unmapped_keys_max": "Most attributes of one instrumentation listed that no mapping understood; others are counted together.",
    "unmapped_scopes_max": "Most instrumentations listed with attributes that no mapping understood.",
    "seal": "Whether the process that keeps the store seals it: every event a leaf of a signed Merkle tree.",
    "seal_seconds": "How often events are sealed and a checkpoint is signed while events come.",
    "seal_share_max": "Most of one core's time that sealing takes while events come, 0 to 1.",
    "seal_batch_events_max": "Most events that are sealed in one transaction.",
    "seal_witnesses": "Where copies of checkpoints go: file:PATH, git:FOLDER, https://…, ots:https://….",
    "seal_witness_seconds": "How often a checkpoint is handed to the witnesses while events come.",
    "seal_key_overlap_seconds": "How long the old key signs beside a new one.",
    "retention": "Whether `flightlog up` removes what is due; `flightlog retention run` does all the same.",
    "retention_seconds": "How long events are kept where no rule says otherwise; `null` keeps them for ever.",
    "retention_audit_seconds": "How long audit records and decisions on permissions are kept where no rule says otherwise.",
    "retention_summaries_seconds": "How long summaries of runs, generations and feedback are kept beyond their events.",
    "retention_every_seconds": "How often `flightlog up` looks for what is due.",
    "retention_share_max": "Most of one core's time that removing takes, 0 to 1.",
    "run_events_max": "Soft cap of events per run: beyond it the run is warned of, and its oldest debug and info events go first.",
    "archive": "Whether the process that keeps the store moves old events into Parquet files.",
    "archive_url": "Where these files lie: a folder, or s3://bucket/prefix. It is `archive` in the data folder unless set.",
    "archive_s3_endpoint": "Where an S3 store is that is not Amazon's, as http://host:port. Keys: the usual AWS_… variables.",
    "archive_after_seconds": "How long an event stays in the database before it is archived.",
    "hot_events_max": "Most events in the database; with more, the oldest are archived whatever their age.",
    "archive_seconds": "How often it is looked whether there is something to archive.",
    "archive_share_max": "Most of the store's time that deleting archived rows and giving back their space takes, 0 to 1.",
    "archive_file_events_max": "Most events in one file of the archive.",
    "archive_file_bytes_max": "Most bytes of payloads in one file of the archive; six times as much memory is needed to write it.",
    "archive_grace_seconds": "How long a file of the archive that is not needed any more is kept for those who still read it.",
    "archive_cache_bytes_max": "Most bytes of files from S3 that are kept in `cache` in the data "
    "folder, beyond those that are in use.",
    "reserve_bytes": "Size of a file that is removed when the disk is full, so that archiving has room to make room.",
    "data_bytes_max": "Most bytes of the data folder; beyond it events are archived whatever their age. No limit unless set.",
    "sql_seconds_max": "Longest that a SQL query may take.",
    "sql_memory_bytes_max": "Most memory that the process of a SQL query may take.",
    "sql_spill_bytes_max": "Most bytes that a SQL query may put aside on the disk while it runs.",
    "sql_rows_max": "Most rows of an answer to SQL as a page or as JSON, unless more are asked for.",
    "sql_export_rows_max": "Most rows of an answer to SQL as a file, or when they are asked for.",
    "sql_result_bytes_max": "Most bytes of an answer to SQL.",
    "sql_children_max": "Most SQL queries that run at once; one more is asked to come again.",
    "sse_heartbeat_seconds": "How often a silent event stream sends a comment, so that proxies keep it open.",
    "sse_watchers_max": "Most event streams open at once.",
    "task_input_bytes_max": "Largest input of a task, as JSON.",
    "task_priority_max": "Largest priority that a task may be given; the smallest is as far below 0.",
    "task_units_max": "Most units that one task may hold of its user's quota.",
    "task_deadline_seconds_max": "Latest deadline that a task may be given, from when it is asked for.",
    "task_result_seconds": "How long the result of a task is kept.",
    "task_kept_seconds": "How long a task that is over is kept; then it is removed, unless a legal hold is on its run.",
    "task_deaths_max": "How many workers may die over a task before it is taken for the cause and fails.",
    "task_result_bytes_max": "Largest result of one step of a task, as JSON.",
    "pipelines": "Where pipelines are: pkg.module, pkg.module:Class or path/file.py; several with commas.",
    "worker_concurrency": "How many tasks one worker does at once.",
    "worker_heartbeat_seconds": "How often a worker says that it is alive.",
    "worker_silent_seconds": "A worker that was silent for longer is dead: what it had is given to others.",
    "worker_drain_seconds": "How long a worker that is told to stop waits for what it is at; the rest it hands back.",
    "worker_sweep_seconds": "How often it is looked for dead workers and for tasks past their deadline.",
    "idempotency_seconds": "How long an Idempotency-Key is remembered with its answer.",
    "queue_engine": "Who hands tasks to workers: own (the store's own queue) or dbos (the DBOS library, an extra).",
    "queue_sweep_seconds": "How often queue and outbox are looked at though nothing was committed.",
    "outbox_batch_max": "Most messages of the outbox that are handed over in one transaction.",
    "outbox_attempts_max": "How often a message of the outbox may be refused before it is DEAD.",
    "outbox_retry_seconds_base": "First wait of a message that was refused; it doubles, with jitter.",
    "outbox_retry_seconds_max": "Longest wait of a message that was refused.",
    "outbox_kept_seconds": "How long a message of the outbox is kept after it was handed over.",
    "drills": "Whether the pipeline that `flightlog drill` tries a server with is there.",
    "dead_letter_window_seconds": "Time over which dead letters are counted against the tasks that ended.",
    "dead_letter_ratio_max": "Share of dead letters among the tasks that ended in that time, above which an alert is raised.",
    "dead_letter_sample_min": "Fewest tasks that have to have ended in that time for the share to mean something.",
    "dead_letter_age_seconds_max": "Age of the oldest open dead letter above which an alert is raised.",
    "dead_letter_clear_share": "Share of its limit that a number has to fall to for its alert to be cleared.",
    "dead_letter_check_seconds": "How often the alerts about dead letters are evaluated.",
    "dead_letter_kept_seconds": "How long dead letters that are dealt with, and plans that are over, are kept.",
    "replay_letters_max": "Most dead letters in one plan.",
    "replay_concurrency_max": "Most tasks of a replay under way at once; more is clamped, with a warning.",
    "replay_concurrency_high_max": "The same where high concurrency is asked for.",
    "replay_confirm_letters_min": "Letters from which on a replay at high concurrency needs a typed confirmation.",
    "replay_chain_max": "How often one thing is replayed; what failed that often again is refused.",
    "replay_stop_failures_ratio": "Share of the replayed tasks of a stage that may fail again; with more, the replay stops.",
    "replay_stage_seconds": "How long the tasks of a canary stage are waited for; what is not over by then counts as failed.",
    "replay_lease_seconds": "How long a process that runs a replay may be silent before another goes on with it.",
    "mcp_answer_chars_max": "Longest answer of `flightlog mcp` to an agent, in characters; longer "
    "ones say how to go on. At least 2,000.",
}

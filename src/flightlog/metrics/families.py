"""Every metric by name: its kind, its labels, and a sentence. The docs, the dashboard and the alerts are held against this."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram", "info"]


class Family(NamedTuple):
    """One metric, under the name that Prometheus knows it by (a counter's ends in _total)."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


FAMILIES: tuple[Family, ...] = (
    Family("flightlog_build_info", "info", ("version", "python", "sqlite"), "What is running."),
    Family(
        "flightlog_events_stored_total",
        "counter",
        ("type",),
        "Events stored, by type; own types beyond a hundred are `other`.",
    ),
    Family("flightlog_events_duplicate_total", "counter", (), "Events that came again and changed nothing."),
    Family("flightlog_events_rejected_total", "counter", (), "Events that the journal refused."),
    Family(
        "flightlog_events_lost_total",
        "counter",
        ("reason",),
        "Events that producers lost and said so (`degraded` events), by reason.",
    ),
    Family(
        "flightlog_append_seconds", "histogram", (), "Time of an append to the journal, its wait and commit included."
    ),
    Family(
        "flightlog_append_failures_total",
        "counter",
        ("error",),
        "Appends that failed as a whole, by error; the sender keeps the events.",
    ),
    Family(
        "flightlog_store_seconds",
        "histogram",
        ("operation",),
        "Time in the database: `write` with wait and commit, `read` as long as a snapshot is held.",
    ),
    Family("flightlog_journal_last_id", "gauge", (), "The id of the newest event."),
    Family(
        "flightlog_otlp_records_total",
        "counter",
        ("signal", "outcome"),
        "Records of OpenTelemetry: accepted, duplicate or rejected.",
    ),
    Family(
        "flightlog_http_requests_total",
        "counter",
        ("method", "route", "status"),
        "Requests over HTTP, by the template of their route.",
    ),
    Family("flightlog_http_request_seconds", "histogram", ("route",), "Time to the beginning of an answer."),
    Family("flightlog_streams_open", "gauge", (), "Live streams being watched."),
    Family("flightlog_streams_limit", "gauge", (), "How many there may be."),
    Family("flightlog_spool_segments", "gauge", (), "Files in the spool."),
    Family("flightlog_spool_backlog_bytes", "gauge", (), "Bytes in the spool that are not in the journal yet."),
    Family(
        "flightlog_drain_state", "gauge", ("state",), "1 for how the spool is being emptied: here, elsewhere or nobody."
    ),
    Family("flightlog_drain_events_total", "counter", (), "Events delivered from the spool."),
    Family(
        "flightlog_drain_lag_seconds",
        "gauge",
        (),
        "Age of the oldest event that is only in the spool; 0 when there is none.",
    ),
    Family("flightlog_drain_failing", "gauge", (), "1 while delivery fails."),
    Family("flightlog_seal_state", "gauge", ("state",), "1 for how sealing is: sealing, stopped or broken."),
    Family("flightlog_seal_lag_events", "gauge", (), "Events that no signed checkpoint covers yet."),
    Family(
        "flightlog_seal_lag_seconds",
        "gauge",
        (),
        "How long the oldest of them has been in the journal; 0 when there is none.",
    ),
    Family("flightlog_seal_failing", "gauge", (), "1 while the journal can't be sealed."),
    Family("flightlog_seal_witness_failing", "gauge", (), "1 while a checkpoint is not at every witness."),
    Family(
        "flightlog_archive_state",
        "gauge",
        ("state",),
        "1 for how archiving is: idle, archiving, waiting, stopped or broken.",
    ),
    Family("flightlog_archive_hot_events", "gauge", (), "Events in the database that are not archived."),
    Family(
        "flightlog_archive_lag_seconds",
        "gauge",
        (),
        "How long the oldest of them has been in the journal; 0 when there is none.",
    ),
    Family("flightlog_archive_files", "gauge", (), "Files in the archive."),
    Family("flightlog_archive_bytes", "gauge", (), "Bytes of these files, wherever they lie."),
    Family("flightlog_archive_failing", "gauge", (), "1 while archiving fails."),
    Family("flightlog_queue_waiting", "gauge", ("queue",), "Attempts of tasks that wait for a worker."),
    Family("flightlog_queue_running", "gauge", ("queue",), "Attempts that a worker has."),
    Family(
        "flightlog_queue_oldest_seconds",
        "gauge",
        ("queue",),
        "How long the oldest of those that wait has waited; 0 when none does.",
    ),
    Family("flightlog_workers", "gauge", ("state",), "Workers, those that ended lately too."),
    Family("flightlog_tasks_accepted_total", "counter", ("pipeline",), "Tasks that were accepted."),
    Family(
        "flightlog_tasks_finished_total",
        "counter",
        ("pipeline", "state"),
        "Tasks that ended, by how: SUCCEEDED, FAILED or CANCELED.",
    ),
    Family(
        "flightlog_task_attempts_total",
        "counter",
        ("pipeline", "outcome"),
        "Attempts that ended: with their task (succeeded, failed, canceled), or to be followed by another (again).",
    ),
    Family("flightlog_task_step_seconds", "histogram", ("pipeline", "state"), "How long steps took, by their state."),
    Family("flightlog_outbox_messages", "gauge", ("status",), "Messages in the outbox that are PENDING or DEAD."),
    Family(
        "flightlog_outbox_backlog_seconds", "gauge", (), "How long the oldest message has been due; 0 when none is."
    ),
    Family("flightlog_outbox_failing", "gauge", (), "1 while the outbox can't be handed over."),
    Family(
        "flightlog_dead_letters_open", "gauge", (), "Dead letters that nobody has dealt with; without those of drills."
    ),
    Family(
        "flightlog_dead_letters_oldest_seconds",
        "gauge",
        (),
        "How long ago the oldest of them failed; 0 when there is none.",
    ),
    Family(
        "flightlog_dead_letters_ratio",
        "gauge",
        (),
        "Share of dead letters among the tasks that ended in the last `dead_letter_window_seconds`.",
    ),
    Family("flightlog_dead_letters_alert", "gauge", ("alert",), "1 while this alert is raised."),
    Family(
        "flightlog_replay_items_total", "counter", ("outcome",), "Dead letters whose turn came in a replay, by outcome."
    ),
    Family(
        "flightlog_disk_bytes",
        "gauge",
        ("part",),
        "Bytes on the disk: database, wal, spool, seal, archive (local objects and cache).",
    ),
    Family("flightlog_disk_free_bytes", "gauge", (), "Free bytes where the data folder lies."),
    Family(
        "flightlog_look_failures_total",
        "counter",
        ("part",),
        "Looks at a part that failed while metrics were made: its gauges are missing then.",
    ),
)
BY_NAME = {family.name: family for family in FAMILIES}
# Of the process itself, as every client of Prometheus names them.
PROCESS = (
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_start_time_seconds",
    "process_open_fds",
    "process_max_fds",
)

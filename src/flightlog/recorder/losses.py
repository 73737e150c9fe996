"""What is missing, said as events: by the producer, or by the drain for producers that can no longer say it themselves."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from flightlog.clock import format_ns
from flightlog.events import wire
from flightlog.events.envelope import Event
from flightlog.recorder.health import Loss

QUARANTINE = "quarantine"


class _Gap(msgspec.Struct):
    first_seq: int | None = None
    last_seq: int | None = None


def degraded(
    producer_id: str,
    reason: str,
    count: int,
    first_seq: int,
    *,
    created_at: int,
    run_id: str | None = None,
    since: int | None = None,
    detail: str | None = None,
) -> Event:
    """The event that says what of a producer is missing. The same facts give the same event id, so it is stored once."""
    facts = f"{producer_id}|{reason}|{run_id}|{first_seq}|{count}|{created_at}"
    digest = hashlib.sha256(facts.encode()).hexdigest()
    payload = {
        "reason": reason,
        "count": count,
        "first_seq": first_seq,
        "last_seq": first_seq + count - 1,
        "since": format_ns(created_at if since is None else since),
        "until": format_ns(created_at),
    }
    if detail:
        payload["detail"] = detail
    return Event(
        event_id=f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}",
        type="degraded",
        created_at=created_at,
        run_id=run_id,
        level="error" if reason in ("gap", "spool_corrupt") else "warn",
        source="drain",
        status="ended",
        producer_id=producer_id,
        payload=msgspec.Raw(msgspec.json.encode(payload)),
    )


def reports(
    losses: list[Loss], seq: int, new_id: Callable[[], str], now_ns: int, project: str, rung: str
) -> list[tuple[int, bytes]]:
    """A living producer's own events for what it lost, each with its number: it takes the numbers of the events that it stands
    for, and one more."""
    pairs = []
    for loss in losses:
        last = seq + loss.count - 1
        payload = {
            "reason": loss.reason, "count": loss.count, "first_seq": seq, "last_seq": last,
            "since": format_ns(loss.since), "until": format_ns(loss.until), "rung": rung,
        }  # fmt: skip
        event = Event(
            event_id=new_id(), type="degraded", created_at=now_ns, run_id=loss.run_id, level="warn",
            project=project, source="recorder", status="ended", payload=msgspec.Raw(msgspec.json.encode(payload)),
        )  # fmt: skip
        pairs.append((last + 1, wire.encode(event)))
        seq = last + 2
    return pairs


def degraded_for(producer_id: str, losses: list[Loss], seq: int) -> list[Event]:
    """The events for losses that a producer counted and could not report before it died; `seq` is the first free number."""
    events = []
    for loss in losses:
        events.append(
            degraded(
                producer_id,
                loss.reason,
                loss.count,
                seq,
                created_at=loss.until,
                run_id=loss.run_id,
                since=loss.since,
            )
        )
        seq += loss.count
    return events


def explains(event: Event, expected: int, seq: int) -> bool:
    """Whether this is the producer's own word on why the numbers before it are missing."""
    if event.type != "degraded":
        return False
    try:
        gap = msgspec.json.decode(event.payload, type=_Gap)
    except msgspec.DecodeError:
        return False
    return gap.first_seq == expected and gap.last_seq == seq - 1


def keep_aside(spool: Path, producer_id: str, body: bytes) -> None:
    """Keep bytes that no sink will take in the quarantine folder, one line each; they are redacted already."""
    folder = spool / QUARANTINE
    folder.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(folder / f"{producer_id}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, body.replace(b"\n", b" ") + b"\n")
    finally:
        os.close(fd)

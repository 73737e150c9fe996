"""The seal as JSON."""

from __future__ import annotations

import msgspec

from flightlog.clock import format_ns
from flightlog.seal.state import SealState
from flightlog.seal.verify import KINDS, Report

OFF, WAITING, SEALED, BROKEN = "off", "waiting", "sealed", "broken"


class SealStateShape(msgspec.Struct, kw_only=True):
    """How far the journal is sealed. `state` is `sealed`, `waiting` before the first checkpoint, `broken` where something has
    to be looked at (`error`), or `off` where nothing seals. Ids up to `sealed_id` are leaves of the tree, up to `signed_id`
    under the newest `checkpoint`, a signed note. `keys` are the public keys, the first at the top.
    """

    state: str
    origin: str | None
    keys: list[str]
    events: int
    sealed_id: int
    signed_id: int
    sealed_at: str | None
    checkpoint: str | None
    error: str | None


class VerifyGiven(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to verify: a run, an event, or the whole store. `key` is the public key that you trust, else the log's own first."""

    run_id: str | None = None
    event_id: str | None = None
    key: str | None = None


class FindingShape(msgspec.Struct, kw_only=True):
    """One thing that is wrong: its `kind`, what that `means`, and `detail`. `id` is the event's, where it is about one."""

    kind: str
    means: str
    detail: str
    id: int | None


class VerifiedShape(msgspec.Struct, kw_only=True):
    """What a verification found. `ok` says that nothing was altered. Of what was asked for `sealed` events are under the
    checkpoint, `checked` were held against it, `unsealed` came after it, of `erased` the payload was erased lawfully, and `removed`
    went by the rules of retention, as sealed audit events say. `more` findings are not listed. `key` is what was trusted.
    """

    ok: bool
    verified_at: str
    origin: str
    key: str
    sealed: int
    unsealed: int
    checked: int
    erased: int
    removed: int
    findings: list[FindingShape]
    more: int


def seal_state_shape(state: SealState, seals: bool, trouble: str | None) -> SealStateShape:
    """The state as JSON shows it. `seals` says whether this server seals, `trouble` what its sealer says of itself."""
    error = state.error or trouble
    return SealStateShape(
        state=BROKEN if error else SEALED if state.checkpoint and seals else WAITING if seals else OFF,
        origin=state.origin or None,
        keys=list(state.keys),
        events=state.events,
        sealed_id=state.sealed_id,
        signed_id=state.signed_id,
        sealed_at=format_ns(state.sealed_at) if state.sealed_at else None,
        checkpoint=state.checkpoint or None,
        error=error,
    )


def verified_shape(report: Report, key: str, now_ns: int) -> VerifiedShape:
    """The report as JSON shows it."""
    return VerifiedShape(
        ok=report.ok,
        verified_at=format_ns(now_ns),
        origin=report.origin,
        key=key,
        sealed=report.sealed,
        unsealed=report.unsealed,
        checked=report.checked,
        erased=report.erased,
        removed=report.removed,
        findings=[
            FindingShape(kind=one.kind, means=KINDS[one.kind], detail=one.detail, id=one.id) for one in report.findings
        ],
        more=report.more,
    )

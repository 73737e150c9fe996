"""Permissions: a policy is asked, what it says is recorded, and only what it grants goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TypeVar

import msgspec

from flightlog.clock import NS_PER_SECOND, format_ns, parse_ns
from flightlog.errors import AuditNotStored, PermissionDenied
from flightlog.recorder.confirm import AuditOutcome
from flightlog.recorder.helpers.base import Emits, as_text, attempt
from flightlog.recorder.helpers.statements import action_digest, decision_fields, decision_payload

T = TypeVar("T")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy is asked. `action` is what exactly is to be done, where the caller says so; of it only the digest is kept."""

    capability: str
    resource: str | None
    action: Any
    reason: str | None
    run_id: str | None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy says. Without `expires_at` (a time with a zone, RFC 3339 text, or nanoseconds since 1970) a grant has no
    end; without `rule` it is the policy's name."""

    granted: bool
    rule: str | None = None
    approver: str | None = None
    reason: str | None = None
    expires_at: datetime | str | int | None = None


class Grant:
    """A decision on a permission. It is true as long as the permission holds, and can be handed to `decide=` in place of a
    policy: it allows the same capability on the same resource (and action, if it was on one) until it expires.
    """

    def __init__(self, emits: Emits, asked: Asked, correlation_id: str) -> None:
        self.capability = asked.capability
        self.resource = asked.resource
        self.correlation_id = correlation_id
        self.granted = False
        self.rule: str | None = None
        self.approver: str | None = None
        self.reason: str | None = None
        self.expires_at_ns: int | None = None
        self.action_digest = None if asked.action is None else action_digest(asked.action)
        self.event_id = ""
        self.outcome: AuditOutcome | None = None
        self._emits = emits
        self._asked = asked

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at_ns is not None and self._emits.clock.now_ns() >= self.expires_at_ns

    def __bool__(self) -> bool:
        return self.granted and not self.is_expired

    def check(self) -> None:
        """Raise PermissionDenied, and record that, unless it still holds; for between the steps of something long."""
        if not self:
            if self.granted:
                self._deny(f"the grant expired at {format_ns(self.expires_at_ns or 0)}")
                self.record(None)
            raise self.denial()

    def denial(self) -> PermissionDenied:
        """The error of whoever goes on all the same."""
        on = "" if self.resource is None else f" on {self.resource}"
        facts = {"rule": self.rule, "approver": self.approver, "correlation_id": self.correlation_id}
        return PermissionDenied(capability=self.capability, on=on, reason=self.reason or "denied", **facts)

    def take(self, verdict: object, rule: str | None) -> None:
        """Take over what a policy said. What is no clear yes is a no."""
        if isinstance(verdict, Grant):
            verdict = verdict.for_(self)
        if isinstance(verdict, Mapping):
            verdict, _ = attempt(lambda said: Verdict(**said), verdict)
        if isinstance(verdict, bool):
            verdict = Verdict(granted=verdict)
        self.rule = rule
        if not isinstance(verdict, Verdict) or not isinstance(verdict.granted, bool):
            if _is_awaitable(verdict):
                _dismiss(verdict)
                return self._deny("the policy is asynchronous, and nobody awaits it here: use `async with`")
            return self._deny("the policy gave no verdict")
        self.rule = verdict.rule or rule
        self.approver, self.reason, self.granted = verdict.approver, verdict.reason, verdict.granted
        try:
            self.expires_at_ns = _moment(verdict.expires_at)
        except (ValueError, OverflowError, TypeError):
            return self._deny(f"its end is no time: {as_text(verdict.expires_at)[:80]}")
        if self.granted and self.is_expired:
            self._deny(f"the grant expired at {format_ns(self.expires_at_ns or 0)}")
        return None

    def for_(self, other: Grant) -> Verdict:
        """What this grant means for another request."""
        if not self.granted:
            reason = self.reason or "the grant that was handed in is none"
        elif (self.capability, self.resource) != (other.capability, other.resource):
            reason = "the grant that was handed in is for something else"
        elif self.action_digest is not None and self.action_digest != other.action_digest:
            reason = "the grant that was handed in is for another action"
        else:
            return Verdict(
                granted=True, rule=self.rule, approver=self.approver, reason=self.reason, expires_at=self.expires_at_ns
            )
        return Verdict(granted=False, rule=self.rule, approver=self.approver, reason=reason)

    def _deny(self, reason: str) -> None:
        self.granted, self.reason = False, reason

    def record(self, timeout: float | None, extra: Mapping[str, Any] | None = None, *, wait: bool = False) -> None:
        """Record the decision as it stands."""
        payload = decision_payload(
            self.capability,
            self.granted,
            None,
            dict(extra or {}),
            rule=self.rule,
            approver=self.approver,
            reason=self.reason,
            resource=self.resource,
            expires_at=None if self.expires_at_ns is None else format_ns(self.expires_at_ns),
            action_digest=self.action_digest,
        )
        fields = {**decision_fields(payload), "correlation_id": self.correlation_id}
        if wait:
            self.outcome = self._emits.emit_and_wait("capability_decision", payload, timeout, **fields)
            self.event_id = self.outcome.event_id
        else:
            self.event_id = self._emits.emit("capability_decision", payload, **fields)


# What decides: a function of what is asked, or a decision made before. What is no clear yes is a no.
Said = Verdict | Grant | Mapping[str, Any] | bool | None
Policy = Callable[[Asked], Said] | Callable[[Asked], Awaitable[Said]] | Verdict | Grant | bool


class Permission:
    """A permission as a `with` (or `async with`) block: the request and the decision are recorded when it is entered, and the
    block is only run when it is granted, else PermissionDenied is raised."""

    def __init__(
        self,
        emits: Emits,
        capability: str,
        decide: Policy,
        *,
        resource: object = None,
        action: object = None,
        reason: str | None = None,
        strict: bool = False,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self._emits = emits
        self._decide = decide
        self._strict = strict
        self._extra = dict(extra or {})
        self._asked = Asked(
            capability=as_text(capability),
            resource=None if resource is None else as_text(resource),
            action=action,
            reason=reason,
            run_id=emits.run_id,
        )

    def decide(self) -> Grant:
        """Ask, record, and give the decision, whatever it is."""
        grant = self._request()
        said, error = attempt(self._ask)
        return self._decided(grant, said, error)

    async def decide_soon(self) -> Grant:
        """The same, where the policy may be asynchronous."""
        grant = self._request()
        said, error = attempt(self._ask)
        if error is None and _is_awaitable(said):
            try:
                said = await said
            except Exception as raised:
                said, error = None, {"kind": type(raised).__name__, "message": as_text(raised)}
        return self._decided(grant, said, error)

    def _request(self) -> Grant:
        grant = Grant(self._emits, self._asked, self._emits.ids.span_id())
        payload = decision_payload(
            self._asked.capability,
            "requested",
            None,
            self._extra,
            resource=self._asked.resource,
            reason=self._asked.reason,
            action_digest=grant.action_digest,
        )
        fields = decision_fields(payload)
        self._emits.emit("capability_decision", payload, correlation_id=grant.correlation_id, **fields)
        return grant

    def _ask(self) -> object:
        return self._decide(self._asked) if callable(self._decide) else self._decide

    def _decided(self, grant: Grant, said: object, error: dict[str, Any] | None) -> Grant:
        name = _name_of(self._decide)
        if error is None:
            grant.take(said, name)
        else:
            reason = f"the policy raised {error.get('kind', 'an error')}: {error.get('message', '')}"[:1_000]
            grant.take(Verdict(granted=False, rule=name, reason=reason), name)
        grant.record(None, self._extra, wait=self._strict)
        outcome = grant.outcome
        if outcome is not None and not outcome.is_stored and grant.granted:
            reason = (outcome.reason or "").rstrip(".")
            raise AuditNotStored(operation=grant.capability, state=outcome.state, reason=reason)
        return grant

    def __enter__(self) -> Grant:
        grant = self.decide()
        if not grant:
            raise grant.denial()
        return grant

    async def __aenter__(self) -> Grant:
        grant = await self.decide_soon()
        if not grant:
            raise grant.denial()
        return grant

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class GuardedCall:
    """One call of a guarded function: it begins when the permission is granted."""

    def __init__(self, permission: Permission) -> None:
        self._permission = permission

    def result(self, value: T) -> T:
        """What the function gave."""
        return value

    def item(self, value: T) -> T:
        """What a generator gave."""
        return value

    def __enter__(self) -> Grant:
        return self._permission.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def _name_of(policy: object) -> str | None:
    if not callable(policy):
        return None
    name = getattr(policy, "__qualname__", None) or type(policy).__qualname__
    return as_text(name)


def _is_awaitable(said: object) -> bool:
    return hasattr(said, "__await__")


def _dismiss(coroutine: Any) -> None:
    """Close what nobody will run, which would complain about it."""
    attempt(lambda: coroutine.close())


def _moment(value: datetime | str | int | None) -> int | None:
    """Nanoseconds. A time without a zone is UTC."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1_000_000) * (NS_PER_SECOND // 1_000_000)
    return parse_ns(value)

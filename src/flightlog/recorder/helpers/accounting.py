"""What has to be accounted for, as methods: audit records, and permissions that are asked for before something is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, overload

from flightlog.errors import AuditNotStored
from flightlog.recorder.confirm import AuditOutcome
from flightlog.recorder.helpers.base import Emits
from flightlog.recorder.helpers.decorate import guard_calls
from flightlog.recorder.helpers.permissions import Grant, Permission, Policy
from flightlog.recorder.helpers.statements import audit_fields, audit_payload

F = TypeVar("F", bound=Callable[..., Any])


class Accounting:
    """Recording who did what, and who was allowed to."""

    @overload
    def audit(
        self: Emits,
        operation: str,
        *,
        subject_type: str | None = None,
        subject_id: object = None,
        outcome: str | None = None,
        details: object = None,
        level: str = "info",
        actor: str | None = None,
        task_id: str | None = None,
        run_id: str | None = None,
        correlation_id: str | None = None,
        wait: Literal[False] = False,
        timeout: float | None = None,
        strict: Literal[False] = False,
        **extra: Any,
    ) -> str: ...
    @overload
    def audit(
        self: Emits,
        operation: str,
        *,
        subject_type: str | None = None,
        subject_id: object = None,
        outcome: str | None = None,
        details: object = None,
        level: str = "info",
        actor: str | None = None,
        task_id: str | None = None,
        run_id: str | None = None,
        correlation_id: str | None = None,
        wait: bool = True,
        timeout: float | None = None,
        strict: bool = False,
        **extra: Any,
    ) -> AuditOutcome: ...
    def audit(
        self: Emits,
        operation: str,
        *,
        subject_type: str | None = None,
        subject_id: object = None,
        outcome: str | None = None,
        details: object = None,
        level: str = "info",
        actor: str | None = None,
        task_id: str | None = None,
        run_id: str | None = None,
        correlation_id: str | None = None,
        wait: bool = False,
        timeout: float | None = None,
        strict: bool = False,
        **extra: Any,
    ) -> str | AuditOutcome:
        """Record that somebody did something to a subject: a repo, a user, a task. Gives the event's id, at once.

        With `wait=True` it waits until the record is in the store, `timeout` seconds at most (`audit_timeout_seconds` of the
        settings), and gives what became of it. `strict=True` waits too, and raises AuditNotStored for a record that is not in
        the store then. A run or task that is not known (yet) is no error: the record is kept, and told to be orphaned.
        """
        said = {"subject_type": subject_type, "subject_id": subject_id, "outcome": outcome}
        payload = audit_payload(operation, details, extra, **said)
        envelope = {"actor": actor, "task_id": task_id, "run_id": run_id, "correlation_id": correlation_id}
        fields = audit_fields(payload, level, envelope)
        if not wait and not strict:
            return self.emit("audit", payload, **fields)
        made = self.emit_and_wait("audit", payload, timeout, **fields)
        if strict and not made.is_stored:
            raise AuditNotStored(
                operation=payload["operation"], state=made.state, reason=(made.reason or "").rstrip(".")
            )
        return made

    def capability(
        self: Emits,
        capability: str,
        *,
        decide: Policy,
        resource: object = None,
        action: object = None,
        reason: str | None = None,
        strict: bool = False,
        **extra: Any,
    ) -> Grant:
        """Ask a policy for a permission, record the request and the decision, and give the decision, which is true or false.

        `decide` is a function of what is asked (see `Asked`) that gives a Verdict, True or False; or a Grant from before. What
        is no clear yes, raises, or has expired is denied. Of `action`, what exactly is to be done, only the digest is kept.
        With `strict=True` a grant counts only once its record is in the store: AuditNotStored is raised otherwise.
        """
        return Permission(
            self, capability, decide, resource=resource, action=action, reason=reason, strict=strict, extra=extra
        ).decide()

    def permission(
        self: Emits,
        capability: str,
        *,
        decide: Policy,
        resource: object = None,
        action: object = None,
        reason: str | None = None,
        strict: bool = False,
        **extra: Any,
    ) -> Permission:
        """The same as a `with` block, which is only run when the permission is granted; else it raises PermissionDenied.

        In an `async with` block the policy may be a coroutine function.
        """
        return Permission(
            self, capability, decide, resource=resource, action=action, reason=reason, strict=strict, extra=extra
        )

    def guarded(
        self: Emits,
        capability: str,
        *,
        decide: Policy,
        resource: object = None,
        reason: str | None = None,
        strict: bool = False,
    ) -> Callable[[F], F]:
        """Decorate a function, coroutine function or generator: each call asks for the permission first.

        `resource` is a value, or a function of the call's arguments that gives it. The action is the function and its
        arguments, so that the digest says which call was decided on.
        """

        def permission(name: str, named: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Permission:
            on = resource(*args, **kwargs) if callable(resource) else resource
            action = {"function": name, "arguments": named}
            return Permission(self, capability, decide, resource=on, action=action, reason=reason, strict=strict)

        return lambda function: guard_calls(function, permission)

"""The helpers as methods; recorders, runs and spans have them all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar, overload

from flightlog.recorder.helpers.accounting import Accounting
from flightlog.recorder.helpers.base import Emits, as_text, without_nones
from flightlog.recorder.helpers.commands import Command, ExecResult, Folder, Options, execute
from flightlog.recorder.helpers.decorate import decorator
from flightlog.recorder.helpers.llm import LLMCall, llm_call
from flightlog.recorder.helpers.opinions import feedback_fields, feedback_payload
from flightlog.recorder.helpers.patches import patch_name, patch_payload
from flightlog.recorder.helpers.statements import decision_fields, decision_payload, error_payload
from flightlog.recorder.helpers.testruns import (
    OUTPUT_BYTES_MAX,
    TestBlock,
    TestReport,
    level_of,
    output_tail,
    run_tests,
    totals_payload,
    verdict,
)
from flightlog.recorder.helpers.tools import ToolCall

F = TypeVar("F", bound=Callable[..., Any])
Decision = Literal["requested", "granted", "denied"]
FeedbackKind = Literal["score", "thumb", "label", "comment", "correction"]
GivenBy = Literal["user", "reviewer", "model", "code"]


class Instruments(Accounting):
    """Ready-made recording. Nothing here raises because of recording; what your own code raises is recorded and goes on."""

    def llm(
        self: Emits,
        model: str,
        *,
        provider: str | None = None,
        messages: object = None,
        parameters: object = None,
        tools: Sequence[object] | None = None,
        operation: str = "chat",
    ) -> LLMCall:
        """A model call, to be used in a `with` block: `llm_request` at its start, `llm_response` at its end."""
        return llm_call(
            self,
            model,
            provider=provider,
            messages=messages,
            parameters=parameters,
            tools=tools,
            operation=operation,
        )

    @overload
    def tool(self: Emits, function: F, /) -> F: ...
    @overload
    def tool(self: Emits, name: str | None = None, /) -> Callable[[F], F]: ...
    def tool(self: Emits, target: Any = None, /) -> Any:
        """Decorate a function, coroutine function or generator: each call is a `tool_call` and a `tool_result`.

        `@rec.tool` or `@rec.tool("name")`. On a recorder, the run is the one that is current when the function is called.
        """
        return decorator(target, lambda: self)

    def tool_call(self: Emits, tool: str, arguments: object = None, *, call_id: str | None = None) -> ToolCall:
        """A tool call as a `with` block; hand what the tool gave to `result`. `call_id` is the model's id of the call."""
        return ToolCall(self, tool, arguments, call_id)

    def patch_proposed(self: Emits, diff: str | bytes, *, correlation_id: str | None = None, **extra: Any) -> str:
        """Record a patch that somebody wants to apply; gives the correlation id to hand to `patch_applied`."""
        correlation_id = correlation_id or self.ids.span_id()
        payload = patch_payload(diff, None, extra)
        self.emit("patch_proposed", payload, name=patch_name(payload), correlation_id=correlation_id)
        return correlation_id

    def patch_applied(
        self: Emits,
        diff: str | bytes,
        *,
        correlation_id: str | None = None,
        error: BaseException | None = None,
        **extra: Any,
    ) -> str:
        """Record that a patch was applied, or with `error` that it could not be; gives the correlation id."""
        correlation_id = correlation_id or self.ids.span_id()
        payload = patch_payload(diff, error, extra)
        status, level = ("ok", "info") if error is None else ("error", "error")
        self.emit(
            "patch_applied",
            payload,
            name=patch_name(payload),
            correlation_id=correlation_id,
            status=status,
            level=level,
        )
        return correlation_id

    def exec(
        self: Emits,
        cmd: Command,
        *,
        cwd: Folder | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        input: str | bytes | None = None,  # noqa: A002 - as in subprocess.run
        check: bool = False,
        capture: bool = True,
        echo: bool = False,
        output_bytes_max: int | None = None,
    ) -> ExecResult:
        """Run a command and wait for it; `exec_started` before, `exec_result` after.

        A text is split into words as a shell would; no shell is used. `cwd`, `env` and `input` are as in subprocess.run.
        After `timeout` seconds the command and all it started are ended. `check=True` raises CalledProcessError or
        TimeoutExpired; a command that can't be started raises what subprocess raises.

        `output_bytes_max` is how much of each end of each output the result keeps; the event keeps `exec_output_bytes_max`
        of the settings, and so does the result by default. `capture=False` lets the command write where this process does.

        With `echo=True` output is passed on as it comes, standard input is this process's, and signals that would stop this
        process go to the command. Otherwise standard input is `input`, or empty.
        """
        return execute(
            self,
            cmd,
            Options(
                cwd=cwd,
                env=env,
                timeout=timeout,
                input=input,
                check=check,
                capture=capture,
                echo=echo,
                output_bytes_max=output_bytes_max,
            ),
        )

    def test(
        self: Emits,
        cmd: Command,
        *,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        echo: bool = False,
    ) -> TestReport:
        """Run a test command and read its totals: `test_started`, the two events of `exec`, `test_result`.

        The totals and failures of pytest and unittest are read from what they print; of others the exit code counts.
        """
        options = Options(cwd=cwd, env=env, timeout=timeout, echo=echo, output_bytes_max=OUTPUT_BYTES_MAX)
        return run_tests(self, cmd, options)

    def test_block(self: Emits, name: str, *, framework: str | None = None) -> TestBlock:
        """Tests as a `with` block; hand the totals to `result`, else the block is one test."""
        return TestBlock(self, name, framework)

    def test_result(
        self: Emits,
        name: str | None = None,
        *,
        passed: int = 0,
        failed: int = 0,
        errors: int = 0,
        skipped: int = 0,
        failures: Sequence[object] | None = None,
        output: str | bytes | None = None,
        exit_code: int | None = None,
        duration_ns: int | None = None,
        correlation_id: str | None = None,
        **extra: Any,
    ) -> str:
        """Record how tests that ran elsewhere went; gives the event's id."""
        totals = totals_payload(passed, failed, errors, skipped, failures)
        status = verdict(totals)
        payload = {**extra, "name": name, **totals, "output_tail": output_tail(output), "exit_code": exit_code}
        return self.emit(
            "test_result",
            without_nones(payload),
            name=name,
            status=status,
            level=level_of(status),
            duration_ns=duration_ns,
            correlation_id=correlation_id,
        )

    def error(
        self: Emits,
        error: object = None,
        *,
        handled: bool = True,
        message: str | None = None,
        **extra: Any,
    ) -> str:
        """Record an error: an exception, a text, a dict, anything; without one, the exception that is being handled."""
        payload = error_payload(error, handled, message, extra)
        return self.emit("error", payload, name=payload.get("kind"), level="error")

    def request_capability(
        self: Emits,
        capability: str,
        *,
        resource: object = None,
        reason: str | None = None,
        action: object = None,
        **extra: Any,
    ) -> str:
        """Record that permission is asked for; gives the correlation id to hand to `decision`."""
        correlation_id = self.ids.span_id()
        payload = decision_payload(capability, "requested", action, extra, resource=resource, reason=reason)
        self.emit("capability_decision", payload, correlation_id=correlation_id, **decision_fields(payload))
        return correlation_id

    def decision(
        self: Emits,
        capability: str,
        decision: Decision | bool,
        *,
        rule: str | None = None,
        approver: str | None = None,
        reason: str | None = None,
        resource: object = None,
        expires_at: datetime | str | None = None,
        action: object = None,
        correlation_id: str | None = None,
        **extra: Any,
    ) -> str:
        """Record who was allowed or denied what, by which rule; True and False are `granted` and `denied`.

        Of `action`, what exactly was decided on, only the digest is kept. Gives the event's id.
        """
        payload = decision_payload(
            capability,
            decision,
            action,
            extra,
            rule=rule,
            approver=approver,
            reason=reason,
            resource=resource,
            expires_at=expires_at,
        )
        return self.emit("capability_decision", payload, correlation_id=correlation_id, **decision_fields(payload))

    def feedback(
        self: Emits,
        target: object = None,
        *,
        value: object = None,
        kind: FeedbackKind | None = None,
        name: str | None = None,
        comment: str | None = None,
        given_by: GivenBy | None = None,
        key: str | None = None,
        target_type: str | None = None,
        **extra: Any,
    ) -> str:
        """Record what somebody thinks of a model call, a span or a run: the object itself, or its id. Gives the event's id.

        Without `target` it is the run or span that this is called on. A number is a score, "up", "down", True and False are
        thumbs, another text is a label, anything else a correction, unless `kind` says otherwise. `name` is what is judged.
        Given again under the same `key` it replaces what was said of the target; without one it stands beside it.
        """
        judged = self if target is None else target
        said = {"value": value, "kind": kind, "name": name, "comment": comment, "given_by": given_by, "key": key}
        payload = feedback_payload(judged, target_type, extra, **said)
        return self.emit("feedback", payload, **feedback_fields(payload))

    def note(self: Emits, text: str, *, level: str = "info", **extra: Any) -> str:
        """Record a remark; gives the event's id."""
        return self.emit("note", {**extra, "text": as_text(text)}, level=level)

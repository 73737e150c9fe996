"""One Claude Code session becomes one run: its lines, in order, become events.

What an event holds depends only on lines up to its own place, so a file that has grown yields the events of its old
part again, with the same ids.

Claude Code writes each block of a model answer on a line of its own, with the same message id and a copy of the usage;
such lines are gathered and become one llm_response when the next message begins. What happens meanwhile (tool calls and
results) waits behind it, so that the order stays right.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Any

from flightlog.clock import NS_PER_SECOND
from flightlog.events.envelope import Event
from flightlog.ingest.importers.base import EventMaker, Payload, Problem, digest, fit, text_in
from flightlog.ingest.importers.claude_blocks import (
    Content,
    message_content,
    plain_text,
    read_notice,
    read_patch,
    read_tool_result,
    tool_use,
)
from flightlog.ingest.importers.claude_state import Answering, Call, Chain, Line
from flightlog.ingest.importers.testruns import read_suite, suite_result
from flightlog.recorder.helpers.patches import patch_name
from flightlog.recorder.helpers.testruns import level_of

ACTOR = "claude-code"
NAME_CHARS_MAX = 80
_COMMAND = re.compile(r"<command-name>\s*([^<\s][^<]*?)\s*</command-name>")
_INTERRUPTED = "[Request interrupted by user"
_TASK_TOOLS = ("Task", "Agent")


class Session:
    """Turns the lines of one session into events. Lines come in the file's order; `end` comes last."""

    def __init__(self, session_id: str, maker: EventMaker) -> None:
        self.session_id = session_id
        self.first_ns: int | None = None
        self.last_ns = 0
        self._maker = maker
        self._main = Chain("main", maker.root_span_id, ACTOR)
        self._chains: dict[str, Chain] = {}
        self._chain_of: dict[str, str] = {}
        self._calls: dict[str, Call] = {}
        self._name: str | None = None
        self._last_digest = ""
        self._last_text = ""
        self._failure: str | None = None
        self._interrupted = False

    # Lines

    def user(self, line: Line, content: Content) -> Iterator[Event]:
        """A prompt, or what the tools gave back."""
        results = [block for block in content.blocks if block.get("type") == "tool_result"]
        rest = [block for block in content.blocks if block.get("type") != "tool_result"]
        yield from self._begin(line, rest)
        chain = yield from self._chain(line, plain_text(rest))
        detail = line.entry.get("toolUseResult") if len(results) == 1 else None
        for index, block in enumerate(results):
            yield from self._tool_result(line, chain, index, block, detail)
        if rest:
            yield from self._prompt(line, chain, rest)

    def assistant(self, line: Line, message: dict[str, Any], content: Content) -> Iterator[Event]:
        """A block of a model answer, or the whole of it."""
        yield from self._begin(line, [])
        chain = yield from self._chain(line, "")
        if line.entry.get("isApiErrorMessage") is True or message.get("model") == "<synthetic>":
            yield from self._made_up(line, chain, plain_text(content.blocks))
            return
        message_id = text_in(message, "id") or text_in(line.entry, "requestId") or line.digest
        if chain.answering and chain.answering.message_id != message_id:
            yield from self._close(chain)
        if chain.answering is None:
            known = message_id in chain.counted
            asked, asked_ns = ([], None) if known else (chain.asked, chain.asked_ns)
            chain.answering = Answering(message_id, asked, asked_ns, line.at_ns)
            if not known:
                chain.asked, chain.asked_ns = [], None
        chain.answering.add(line, message, content.blocks)
        for index, block in enumerate(content.blocks):
            if block.get("type") == "tool_use":
                self._tool_call(line, chain, chain.answering, index, block)
        if chain is self._main:
            self._failure, self._interrupted = None, False

    def system(self, line: Line) -> Iterator[Event]:
        """A notice of Claude Code itself."""
        yield from self._begin(line, [])
        chain = yield from self._chain(line, "")
        notice = read_notice(line.entry)
        fields: dict[str, Any] = {"name": notice.subtype, "level": notice.level}
        yield from self._put(chain, self._make(line, chain, notice.type, notice.payload, **fields))

    def summary(self, line: Line, text: str) -> Iterator[Event]:
        """What the session was about, as Claude Code titles it."""
        payload = {"text": text, "summary": True}
        yield from self._put(self._main, self._make(line, self._main, "note", payload, name="summary"))

    def end(self, now_ns: int | None, settle_seconds: float) -> Iterator[Event | Problem]:
        """The end of the file. What may still be growing is left for the next import."""
        age_ns = None if now_ns is None else now_ns - self.last_ns
        fresh = age_ns is not None and abs(age_ns) < settle_seconds * NS_PER_SECOND
        busy = fresh and bool(self._main.asked)
        for chain in [*self._chains.values(), self._main]:
            if fresh and chain.answering and chain.answering.stop_reason is None:
                busy = True
                yield Problem("end of file", "the last answer is still being written; import again to take it")
                continue
            yield from self._close(chain)
            if chain is not self._main and not (fresh or chain.finished):
                yield self._span_finished(chain, self.last_ns, "ok", chain.last_digest)
        if self._name is not None and not busy:
            yield self._finished()

    def knows(self, uuid: object) -> bool:
        """Whether a line with this uuid was part of this session."""
        return isinstance(uuid, str) and uuid in self._chain_of

    # Runs and spans

    def _begin(self, line: Line, blocks: list[dict[str, Any]]) -> Iterator[Event]:
        """The run starts with the first line of the session's own conversation, in each file; the earliest start counts."""
        self.first_ns = line.at_ns if self.first_ns is None else min(self.first_ns, line.at_ns)
        self.last_ns = max(self.last_ns, line.at_ns)
        self._last_digest = line.digest
        if self._name is not None or line.entry.get("isSidechain") is True:
            return
        prompt = "" if line.entry.get("isMeta") is True else plain_text(blocks).strip()
        self._name = _name_in(prompt) or _name_of_place(line.entry) or f"Claude Code {self.session_id[:8]}"
        attributes = {"session_id": self.session_id}
        for key, name in (("version", "claude_code_version"), ("cwd", "cwd"), ("gitBranch", "git_branch")):
            if text := text_in(line.entry, key):
                attributes[name] = text
        payload: dict[str, Any] = {"name": self._name, "attributes": attributes}
        if prompt:
            payload["input"] = prompt
        yield self._maker.make("run_started", line.digest, line.at_ns, payload, name=self._name)

    def _chain(self, line: Line, prompt: str) -> Generator[Event, None, Chain]:
        """The conversation that a line belongs to. A subagent's first line starts its span."""
        uuid, parent = text_in(line.entry, "uuid"), text_in(line.entry, "parentUuid")
        if line.entry.get("isSidechain") is not True:
            if uuid:
                self._chain_of[uuid] = "main"
            return self._main
        inherited = self._chain_of.get(parent or "", "main")
        key = text_in(line.entry, "agentId") or (inherited if inherited != "main" else uuid or line.digest)
        if uuid:
            self._chain_of[uuid] = key
        if key not in self._chains:
            # The call that started the subagent belongs before what the subagent did.
            yield from self._close(self._main)
            yield self._span_started(line, key, prompt)
        chain = self._chains[key]
        chain.last_digest = line.digest
        return chain

    def _span_started(self, line: Line, key: str, prompt: str) -> Event:
        chain = Chain(key, self._maker.span_id(key), f"{ACTOR}/{key[:16]}")
        self._chains[key] = chain
        chain.started_ns = line.at_ns
        taken = {other.task_id for other in self._chains.values()}
        for call_id, call in self._calls.items():
            asked = text_in(call.arguments, "prompt")
            if call.name in _TASK_TOOLS and call_id not in taken and asked and asked.strip() == prompt.strip():
                chain.task_id = call_id
        attributes = {"agent": key}
        if chain.task_id:
            attributes["tool_call_id"] = chain.task_id
        return self._span_event(chain, "span_started", key, line.at_ns, {"attributes": attributes})

    def _span_finished(self, chain: Chain, at_ns: int, status: str, key: str) -> Event:
        chain.finished = True
        took, level = max(at_ns - chain.started_ns, 0), "error" if status == "error" else "info"
        return self._span_event(chain, "span_finished", key, at_ns, {}, status=status, duration_ns=took, level=level)

    def _span_event(self, chain: Chain, type_: str, key: str, at_ns: int, payload: Payload, **envelope: Any) -> Event:
        root = self._maker.root_span_id
        fields = {"name": "subagent", "span_id": chain.span_id, "parent_span_id": root, "actor": chain.actor} | envelope
        return self._maker.make(type_, key, at_ns, payload, **fields)

    def _finished(self) -> Event:
        """The file states no outcome: an error of the model's API or an interruption as the last word counts as one."""
        payload: dict[str, Any] = {"outcome": "assumed"}
        status = "canceled" if self._interrupted else "failed" if self._failure is not None else "succeeded"
        if self._failure is not None:
            payload["error"] = {"kind": "ApiError", "message": self._failure}
        if self._last_text:
            payload["output"] = self._last_text
        if self._main.asked:
            payload["unanswered"] = True
        took = self.last_ns - (self.first_ns or 0)
        level = "error" if status == "failed" else "info"
        fields = {"name": self._name, "status": status, "duration_ns": took, "level": level}
        return self._maker.make("run_finished", self._last_digest, self.last_ns, payload, **fields)

    # Messages

    def _prompt(self, line: Line, chain: Chain, blocks: list[dict[str, Any]]) -> Iterator[Event]:
        yield from self._close(chain)
        text = plain_text(blocks)
        meta = line.entry.get("isMeta") is True or line.entry.get("isCompactSummary") is True
        payload: dict[str, Any] = {"text": text, "role": "user"} | ({"meta": True} if meta else {})
        actor = "user" if chain is self._main and not meta else ACTOR
        fields: dict[str, Any] = {"name": "prompt", "actor": actor, "level": "debug" if meta else "info"}
        yield self._make(line, chain, "note", payload, **fields)
        self._ask(chain, line, {"role": "user", "content": message_content(blocks)})
        if chain is self._main:
            self._interrupted = text.startswith(_INTERRUPTED)

    def _ask(self, chain: Chain, line: Line, message: dict[str, Any]) -> None:
        chain.asked.append(message)
        chain.asked_ns = line.at_ns

    def _made_up(self, line: Line, chain: Chain, text: str) -> Iterator[Event]:
        """An answer that Claude Code wrote in the model's place, mostly because the model's API failed."""
        yield from self._close(chain)
        if line.entry.get("isApiErrorMessage") is True:
            payload = {"message": text, "kind": "ApiError", "handled": True}
            yield self._make(line, chain, "error", payload, name="ApiError", level="error")
            self._failure = text if chain is self._main else self._failure
        else:
            yield self._make(line, chain, "note", {"text": text, "role": "assistant"}, name="synthetic")

    def _close(self, chain: Chain) -> Iterator[Event]:
        """The answer is complete: hand out its request, itself, and what waited behind it."""
        answering = chain.answering
        if answering is None:
            return
        chain.answering = None
        before = chain.counted.get(answering.message_id)
        pair = {"name": answering.model, "correlation_id": answering.message_id}
        if before is None:
            yield self._event(
                chain, "llm_request", answering.digests[0], answering.asked_ns, answering.request(), **pair
            )
        yield self._response(chain, answering, before or {}, pair)
        counted = {key: max(count, (before or {}).get(key, 0)) for key, count in answering.usage.items()}
        chain.counted[answering.message_id] = (before or {}) | counted
        yield from answering.behind

    def _response(self, chain: Chain, answering: Answering, before: dict[str, int], pair: dict[str, Any]) -> Event:
        payload = answering.response(before)
        if chain is self._main:
            self._last_text = payload["message"]["content"] or self._last_text
        took = answering.at_ns - answering.asked_ns if answering.waited else None
        fields = {"status": "ok", "duration_ns": took} | pair
        return self._event(chain, "llm_response", digest(*answering.digests), answering.at_ns, payload, **fields)

    # Tools

    def _tool_call(self, line: Line, chain: Chain, answering: Answering, index: int, block: dict[str, Any]) -> None:
        call = tool_use(block)
        call_id = call["id"]
        if call_id in answering.calls:
            return  # a later line repeats the whole answer so far
        if call_id:
            answering.calls.add(call_id)
            self._calls[call_id] = Call(call["name"], call["arguments"], line.at_ns)
        payload = {"tool": call["name"], "arguments": call["arguments"]} | ({"call_id": call_id} if call_id else {})
        pair = call_id or self._maker.correlation_id(f"{line.digest} {index}")
        fields: dict[str, Any] = {"name": call["name"], "correlation_id": pair}
        answering.behind.append(self._make(line, chain, "tool_call", payload, index=index, **fields))

    def _tool_result(self, line: Line, chain: Chain, index: int, block: dict[str, Any], detail: Any) -> Iterator[Event]:
        call_id = text_in(block, "tool_use_id")
        call = self._calls.get(call_id or "")
        tool = call.name if call else "unknown"
        outcome = read_tool_result(block, detail)
        pair = call_id or self._maker.correlation_id(f"{line.digest} {index}")
        yield from self._suite(line, chain, index, call, outcome.text, pair)
        took = outcome.duration_ns
        if took is None and call:
            took = max(line.at_ns - call.at_ns, 0)
        state = ("error", "error") if outcome.failed else ("ok", "info")
        yield from self._task_done(line, chain, call_id, detail, state[0])
        fields = {"name": tool, "correlation_id": pair, "status": state[0], "level": state[1], "duration_ns": took}
        result = self._make(line, chain, "tool_result", {"tool": tool} | outcome.payload, index=index, **fields)
        yield from self._put(chain, result)
        patch = None if outcome.failed else read_patch(detail)
        if patch:
            fields = {"name": patch_name(patch), "correlation_id": pair, "status": "ok"}
            yield from self._put(chain, self._make(line, chain, "patch_applied", patch, index=index, **fields))
        self._ask(chain, line, {"role": "tool", "tool_call_id": call_id, "content": outcome.payload["result"]})

    def _suite(
        self, line: Line, chain: Chain, index: int, call: Call | None, output: str, pair: str
    ) -> Iterator[Event]:
        command = text_in(call.arguments, "command") if call else None
        totals = read_suite(command, output) if command else None
        if totals is None or call is None:
            return
        fields: dict[str, Any] = {"name": totals.framework, "correlation_id": fit("correlation_id", f"test {pair}")}
        begun = {"command": command, "framework": totals.framework}
        started = self._event(chain, "test_started", f"{line.digest} {index}", call.at_ns, begun, **fields)
        status, payload = suite_result(totals, output)
        fields |= {"status": status, "level": level_of(status), "duration_ns": max(line.at_ns - call.at_ns, 0)}
        yield from self._put(chain, started)
        yield from self._put(chain, self._make(line, chain, "test_result", payload, index=index, **fields))

    def _task_done(self, line: Line, chain: Chain, call_id: str | None, detail: Any, status: str) -> Iterator[Event]:
        """The call that started a subagent has its result: the subagent's span ends."""
        agent = text_in(detail, "agentId")
        for other in self._chains.values():
            if not other.finished and ((call_id and other.task_id == call_id) or (agent and other.key == agent)):
                yield from self._close(other)
                yield from self._put(chain, self._span_finished(other, line.at_ns, status, other.key))

    # Events

    def _put(self, chain: Chain, event: Event) -> Iterator[Event]:
        if chain.answering is None:
            yield event
        else:
            chain.answering.behind.append(event)

    def _make(
        self, line: Line, chain: Chain, type_: str, payload: Payload, *, index: int = 0, **envelope: Any
    ) -> Event:
        return self._event(chain, type_, f"{line.digest} {index}", line.at_ns, payload, **envelope)

    def _event(self, chain: Chain, type_: str, key: str, at_ns: int, payload: Payload, **envelope: Any) -> Event:
        parent = None if chain is self._main else self._maker.root_span_id
        fields = {"actor": chain.actor, "span_id": chain.span_id, "parent_span_id": parent} | envelope
        return self._maker.make(type_, key, at_ns, payload, **fields)


def _name_in(prompt: str) -> str:
    """The first line of a prompt, or the slash command that it is."""
    command = _COMMAND.search(prompt[:10_000])
    line = command.group(1) if command else prompt.partition("\n")[0]
    return line if len(line) <= NAME_CHARS_MAX else line[: NAME_CHARS_MAX - 1] + "…"


def _name_of_place(entry: dict[str, Any]) -> str:
    """A name for a session that begins with something else than a prompt: the folder it worked in."""
    folder = (text_in(entry, "cwd") or "").replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return f"Claude Code in {folder[:NAME_CHARS_MAX]}" if folder else ""

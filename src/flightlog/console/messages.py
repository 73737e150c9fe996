"""What is said between an agent and a model: messages with their parts, calls that the model asks for, tokens and cost."""

from __future__ import annotations

from typing import Any

from flightlog.console import format as fmt
from flightlog.console.blocks import (
    Block,
    Limits,
    call_line,
    code_block,
    group_block,
    line_block,
    line_of,
    pairs_block,
    text_block,
)
from flightlog.console.payload import decoded, entries, listed, number, words

Doc = dict[str, Any]

SHOWN_MAX = 60
PARTS_MAX = 40
ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_THOUGHTS = ("reasoning", "reasoning_content", "thinking", "thought")


def message_block(message: object, limits: Limits, *, folded: bool = False) -> Block:
    """One message under its role. What a system says is long and seldom news: it is closed."""
    given = entries(message)
    role = words(given.get("role"))[:40] or "message"
    name = words(given.get("name"))
    label = f"{role} ({line_of(name, 40)})" if name else role
    if not given:
        return group_block([code_block(message, limits)], label=label)
    closed = folded or role in ("system", "developer")
    return group_block(
        spoken(given, limits),
        label=label,
        tone=role if role in ROLES else "message",
        folded=closed,
        teaser=line_of(said(given)) if closed else "",
    )


def said(message: Doc) -> str:
    """The words of a message without anything else."""
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(words(entries(part).get("text")) or words(entries(part).get("content")) for part in content)
    return words(content)


def spoken(message: Doc, limits: Limits) -> list[Block]:
    """What a message holds: thoughts, closed; words and other parts; calls."""
    content = message.get("content")
    blocks = [_thought(message[name], limits) for name in _THOUGHTS if _is_news(message, name)]
    if isinstance(content, list):
        for part in content[:PARTS_MAX]:
            blocks += _part(part, limits)
        if len(content) > PARTS_MAX:
            blocks.append(line_block(f"{len(content) - PARTS_MAX} more parts", tone="gap"))
    elif isinstance(content, str):
        blocks += [text_block(content, limits)] if content else []
    elif content is not None:
        blocks.append(code_block(content, limits))
    for call in listed(message.get("tool_calls"))[:PARTS_MAX]:
        blocks += _call(call, limits)
    return blocks


def _is_news(message: Doc, name: str) -> bool:
    """Whether a thought is told, and not the same as what is said."""
    thought = message.get(name)
    return bool(thought) and words(thought).strip() not in words(message.get("content"))


def _thought(value: object, limits: Limits) -> Block:
    return text_block(words(value), limits, label="Reasoning", tone="quiet", folded=True)


def _part(part: object, limits: Limits) -> list[Block]:
    """One part of a content that is a list, as the common providers write them."""
    if isinstance(part, str):
        return [text_block(part, limits)] if part else []
    given = entries(part)
    kind = words(given.get("type"))
    if kind in ("thinking", "reasoning", "redacted_thinking"):
        return [_thought(given.get("thinking") or given.get("text") or given.get("summary") or kind, limits)]
    if isinstance(given.get("text"), str):
        return [text_block(given["text"], limits)] if given["text"] else []
    if kind in ("tool_use", "tool_call", "function_call"):
        return _call(given, limits)
    if kind == "tool_result":
        return [code_block(given.get("content"), limits, label="Result")]
    return [code_block(part, limits, label=kind)]


def _call(call: object, limits: Limits) -> list[Block]:
    given = entries(call)
    inner = entries(given.get("function")) or given
    name = words(inner.get("name")) or "call"
    arguments = inner.get("arguments", inner.get("input"))
    if isinstance(arguments, str) and arguments[:1] == "{":
        arguments = decoded(arguments.encode("utf-8", "replace")) or arguments
    if limits.compact:
        return [line_block(call_line(line_of(name, 60), arguments), label="→", tone="call")]
    block = pairs_block(arguments, limits)
    return [group_block([block] if block else [], label=f"→ {line_of(name, 60)}", tone="call")]


def request_notes(payload: Doc) -> list[str]:
    """How long the conversation is, and how many tools the model may ask for."""
    told = len(listed(payload.get("messages")))
    tools = len(listed(payload.get("tools")))
    return [
        *([f"{fmt.count(told)} {'message' if told == 1 else 'messages'}"] if told else []),
        *([f"{tools} {'tool' if tools == 1 else 'tools'}"] if tools else []),
    ]


def settings_blocks(payload: Doc, limits: Limits) -> list[Block]:
    """The parameters and the tools of a request, closed."""
    made: list[Block] = []
    parameters = pairs_block(entries(payload.get("parameters")), limits)
    if parameters is not None:
        made.append(
            group_block([parameters], label="Parameters", folded=True, teaser=line_of(words(payload["parameters"])))
        )
    tools = listed(payload.get("tools"))
    if tools:
        names = [
            words(entries(entries(tool).get("function")).get("name") or entries(tool).get("name")) for tool in tools
        ]
        made.append(
            group_block(
                [code_block(tools, limits)], label="Tools", folded=True, teaser=line_of(", ".join(filter(None, names)))
            )
        )
    return made


def asked_blocks(payload: Doc, limits: Limits) -> list[Block]:
    """What a model was asked: the conversation, or what was embedded, completed or drawn."""
    told = listed(payload.get("messages"))
    blocks = [message_block(message, limits) for message in told[:SHOWN_MAX]]
    if len(told) > SHOWN_MAX:
        blocks.append(line_block(f"{fmt.count(len(told) - SHOWN_MAX)} more messages", tone="gap"))
    return blocks + input_blocks(payload, limits)


def input_blocks(payload: Doc, limits: Limits) -> list[Block]:
    """What a model was given that is no conversation."""
    given = payload.get("input")
    return [code_block(given, limits, label="Input")] if given not in (None, "", [], {}) else []


def answer_blocks(payload: Doc, limits: Limits) -> list[Block]:
    """What the model said; where it gave several answers, the others are closed."""
    message = payload.get("message")
    choices = [entries(choice) for choice in listed(payload.get("choices"))]
    if not isinstance(message, dict) and choices:
        message, *choices = choices
    others = [choice for choice in choices if choice and choice != message]
    if not isinstance(message, dict):
        return [code_block(message, limits)] if message else []
    return [
        *spoken(message, limits),
        *(
            group_block(spoken(one, limits), label="Another answer", folded=True, teaser=line_of(said(one)))
            for one in others[:PARTS_MAX]
        ),
    ]


def turn_of(blocks: list[Block]) -> list[Block]:
    """What a model said as a turn of its own, after what it was asked."""
    return [group_block(blocks, label="assistant", tone="assistant")] if blocks else []


def response_notes(payload: Doc) -> list[str]:
    """Tokens, cost, and why it stopped."""
    usage = entries(payload.get("usage"))
    cost = payload.get("cost_usd")
    first = number(payload.get("time_to_first_chunk_ns"))
    into, out = number(usage.get("input_tokens")), number(usage.get("output_tokens"))
    cached, thought = number(usage.get("cached_input_tokens")), number(usage.get("reasoning_tokens"))
    reasons = [words(reason) for reason in listed(payload.get("finish_reasons"))]
    return [
        *([f"{fmt.count(into)} → {fmt.count(out)} tokens"] if into or out else []),
        *([f"{fmt.count(cached)} cached"] if cached else []),
        *([f"{fmt.count(thought)} of reasoning"] if thought else []),
        *([fmt.money(cost)] if isinstance(cost, int | float) and not isinstance(cost, bool) and cost else []),
        *([f"first words after {fmt.duration(first)}"] if first > 0 else []),
        *([f"stopped: {line_of(', '.join(reasons), 60)}"] if reasons else []),
    ]

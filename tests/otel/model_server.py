"""A model server for tests, on this machine: it speaks OpenAI's protocol and its answers are written down here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 45,
    "total_tokens": 165,
    "prompt_tokens_details": {"cached_tokens": 100},
    "completion_tokens_details": {"reasoning_tokens": 30},
}
ANSWER = "Paris is the capital of France; Ljubljana, of Slovenia – 首都."
FORECAST = "It is 21 °C in Ljubljana."
TOOL_CALL = {"id": "call_7", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ljubljana"}'}}
BLED_CALL = {"id": "call_8", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bled"}'}}
HALF_CALL = {"id": "call_9", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Lju'}}
REFUSAL = "I can't help with that."
# Models whose answers have shapes of their own: the message and the finish reason of each choice.
UNUSUAL: dict[str, list[tuple[dict[str, Any], str]]] = {
    "two-choices": [
        ({"role": "assistant", "content": "Heads."}, "stop"),
        ({"role": "assistant", "content": "Tails."}, "length"),
    ],
    "two-calls": [({"role": "assistant", "content": None, "tool_calls": [TOOL_CALL, BLED_CALL]}, "tool_calls")],
    "half-a-call": [({"role": "assistant", "content": None, "tool_calls": [HALF_CALL]}, "length")],
    "refusing": [({"role": "assistant", "content": None, "refusal": REFUSAL}, "stop")],
}
BROKEN_OFF_CHUNKS = 3
ERRORS = {
    "missing-model": (404, "model_not_found", "The model `missing-model` does not exist"),
    "busy-model": (429, "rate_limit_exceeded", "Rate limit reached, try again in 20s"),
    "broken-model": (500, "server_error", "The server had an error"),
}


def answer_to(asked: dict[str, Any]) -> dict[str, Any]:
    """The message that these messages are answered with."""
    last = asked["messages"][-1]
    if asked.get("tools") and last["role"] != "tool":
        return {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}
    return {"role": "assistant", "content": FORECAST if last["role"] == "tool" else ANSWER}


def pieces_of(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The message as the deltas of a stream."""
    yield {"role": "assistant", "content": "" if message["content"] is not None else None}
    for word in (message["content"] or "").split(" "):
        if word:
            yield {"content": word if message["content"].startswith(word) else " " + word}
    calls = list(enumerate(message.get("tool_calls", ())))
    for index, call in calls:
        yield {
            "tool_calls": [{**call, "index": index, "function": {"name": call["function"]["name"], "arguments": ""}}]
        }
    for part in (slice(9), slice(9, None)):  # the arguments of several calls come mixed
        for index, call in calls:
            yield {"tool_calls": [{"index": index, "function": {"arguments": call["function"]["arguments"][part]}}]}


def choices_of(asked: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Message and finish reason of each choice that this is answered with."""
    message = answer_to(asked)
    return UNUSUAL.get(asked["model"]) or [(message, "tool_calls" if message.get("tool_calls") else "stop")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({"path": self.path, "headers": dict(self.headers), **asked})
        if asked["model"] in ERRORS:
            status, code, text = ERRORS[asked["model"]]
            self._say(
                status, {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": code}}
            )
        elif self.path.endswith("/embeddings"):
            data = [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 0.75]}]
            usage = {"prompt_tokens": 6, "total_tokens": 6}
            self._say(200, {"object": "list", "data": data, "model": asked["model"], "usage": usage})
        elif asked.get("stream"):
            self._stream(asked)
        else:
            choices = [
                {"index": index, "message": message, "finish_reason": reason, "logprobs": None}
                for index, (message, reason) in enumerate(choices_of(asked))
            ]
            self._say(200, {**_head(asked, "chat.completion"), "choices": choices, "usage": USAGE})

    def _stream(self, asked: dict[str, Any]) -> None:
        head = _head(asked, "chat.completion.chunk")
        [(message, reason)] = choices_of(asked)
        chunks = [
            {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in pieces_of(message)
        ]
        chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        if (asked.get("stream_options") or {}).get("include_usage"):
            chunks.append({**head, "choices": [], "usage": USAGE})
        if asked["model"] == "broken-off":
            self.close_connection = True
            del chunks[BROKEN_OFF_CHUNKS:]
        lines = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
        lines += "" if self.close_connection else "data: [DONE]\n\n"
        self._send(200, "text/event-stream", lines.encode(), missing=1_000 if self.close_connection else 0)

    def _say(self, status: int, document: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(document).encode())

    def _send(self, status: int, kind: str, body: bytes, missing: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) + missing))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class calls it
        return


def _head(asked: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1_750_000_000, "model": asked["model"] + "-2026-01-01"}


@contextmanager
def serving() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The base URL of a server for the block, and what it is asked."""
    asked: list[dict[str, Any]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"asked": asked}))
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()

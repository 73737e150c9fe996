"""Events with secrets in them. Every secret is made at run time, so that none stands in the repository."""

from __future__ import annotations

import json
from typing import Any

from flightlog.recorder.redact import Redactor

KEY = b"a key for tests"


def redactor(**given: Any) -> Redactor:
    return Redactor(digest_key=KEY, **given)


def event(payload: object, **envelope: object) -> bytes:
    """An event as the client encodes it."""
    return json.dumps({"event_id": "e1", "run_id": "r1", **envelope, "payload": payload}, ensure_ascii=False).encode()


def nested(text: str, levels: int) -> str:
    """The text inside so many levels of JSON inside JSON."""
    for _ in range(levels):
        text = json.dumps({"arguments": text})
    return text


def shown(text: str, **given: Any) -> str:
    """What becomes of a text in a payload; and the rules of the house on the way."""
    redact = redactor(**given)
    data = event({"text": text})
    redacted = redact.redact(data)
    assert redact.hits(data) or not redacted.count, "the first scan missed what the close look found"
    assert redact.clean(redacted.data)
    assert redact.redact(redacted.data).data == redacted.data
    said = json.loads(redacted.data)["payload"]["text"]
    assert isinstance(said, str)
    return said

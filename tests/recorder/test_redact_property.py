"""Redaction over anything: the fast scan misses nothing that the close look finds, and what comes out is clean JSON."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from flightlog.recorder.redact import RULES
from flightlog.recorder.redaction.escapes import Level, levels, snap, unescape, unescape_dense, unescape_sparse
from tests.recorder.secrets import event, redactor

WORDS = [
    *(
        "password",
        "passwd",
        "secret",
        "api_key",
        "apiKey",
        "token",
        "Authorization",
        "Bearer",
        "Basic",
        "Set-Cookie",
        "PWD",
    ),
    *(
        "client_secret",
        "session",
        "--token",
        "--password",
        "-u",
        "curl",
        "sshpass",
        "-p",
        "login",
        "name",
        "value",
        "key",
    ),
    *(
        "credentials",
        "export",
        "Pwd",
        "AccountKey",
        "sig",
        "max_tokens",
        "next_token",
        "logprob",
        "SECRET_KEY",
        "x-api-key",
    ),
    *("identified", "by", "digest", "type", "description", "string", "10"),
]
SIGNS = [
    *" =:\"'\\{}[],;\n\t@/&`()<>-_.$*%|?#!é\x00\x1b",
    *('\\"', '\\\\"', ": ", " = ", '": "', "': '", '","', "\\n", "\r\n", "\\/", "=>", ":=", "--", "://", "${", "\\x41"),
    *("\\u0022", "\\u003d", "\\u003a", "\\u0026", "\\u00e9", "\\u0070", "\\u005c", "\\u001b", "\\r8_", "[REDACTED"),
    "[REDACTED:github:01234567]",
]
VALUES = ["hunter2", "x", "12345678", "None", "s3cr3t-V4lue", "dXNlcjpwYXNz", "sid=abc123", "Zm9v/YmFy+==", "${X}"]
EXAMPLES = [rule.example() for rule in RULES] + [rule.secret() for rule in RULES]

texts = st.lists(
    st.one_of(st.sampled_from(WORDS), st.sampled_from(SIGNS), st.sampled_from(VALUES), st.sampled_from(EXAMPLES)),
    max_size=14,
).map("".join)


def _written_in_json(text: str, slashes: bool) -> list[str]:
    made = [json.dumps({"k": text}), json.dumps({text[:20]: "v"}), json.dumps({"password": text}), json.dumps([text])]
    return [one.replace("/", "\\/") for one in made] if slashes else made


nested_texts = st.recursive(
    texts,
    lambda inner: st.tuples(inner, st.booleans()).flatmap(lambda t: st.sampled_from(_written_in_json(*t))),
    max_leaves=4,
)
payloads = st.recursive(
    nested_texts | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.one_of(st.sampled_from(WORDS), texts), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(payloads, st.booleans())
@settings(max_examples=400, deadline=None)
def test_the_first_scan_misses_nothing_and_what_comes_out_is_clean_json(payload: object, ascii_only: bool) -> None:
    redact = redactor()
    data = json.dumps({"event_id": "e1", "payload": {"p": payload}}, ensure_ascii=ascii_only).encode()
    redacted = redact.redact(data)
    assert redact.hits(data) or redacted.data == data
    assert json.loads(redacted.data)["event_id"] == "e1"
    assert redact.clean(redacted.data)
    assert redact.redact(redacted.data) == (redacted.data, 0, ())


@given(st.binary(max_size=300) | texts.map(str.encode))
@settings(max_examples=200, deadline=None)
def test_bytes_that_are_no_json_do_not_break_redaction(data: bytes) -> None:
    redact = redactor()
    redacted = redact.redact(data)
    assert redact.hits(data) or redacted.data == data
    assert redact.redact(redacted.data).count == 0


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(RULES), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_a_token_is_found_between_any_other_text(before: str, after: str, rule: object, depth: int) -> None:
    assert isinstance(rule, type(RULES[0]))
    if not rule.hard or rule.before or rule.judge or rule.patterns[0].endswith("b"):
        return
    redact = redactor()
    text = f"{before} {rule.secret()} {after}"
    for _ in range(depth):
        text = json.dumps([text])
    data = event({"text": text})
    assert redact.hits(data)
    assert rule.secret() not in redact.redact(data).data.decode()


escaped = st.lists(
    st.sampled_from(
        [
            *"ab\"'/nu0\\",
            "\\\\",
            '\\"',
            "\\n",
            "\\u0041",
            "\\u005c",
            "\\u00e9",
            "\\ud83d\\ude00",
            "\\ud83d",
            "\\u004",
            "é",
            "\\'",
            "\\/",
        ]
    )
).map(lambda parts: "".join(parts).encode())


@given(escaped)
def test_both_ways_to_read_escapes_agree(text: bytes) -> None:
    assert unescape_sparse(text) == unescape_dense(text) == unescape(text)


@given(st.text(st.characters()), st.booleans())
def test_reading_escapes_is_what_json_does(text: str, ascii_only: bool) -> None:
    said = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    written = json.dumps(text, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert unescape(written)[1:-1] in (text.encode("utf-8", "surrogatepass"), said.encode("utf-8", "surrogatepass"))


@given(escaped, st.data())
def test_a_place_in_inner_text_is_found_in_the_outer_bytes(text: bytes, data: st.DataObject) -> None:
    for depth, level in enumerate(levels(Level(text))):
        start = data.draw(st.integers(0, len(level.text)))
        end = data.draw(st.integers(start, len(level.text)))
        if start == end or snap(level.text, start, end) != (start, end):
            continue
        outer = level.outer(start, end)
        inner = text[slice(*outer)]
        for _ in range(depth):
            inner = unescape(inner)
        assert inner == level.text[start:end]
        assert snap(text, *outer) == outer, "an escape of the outer text is never cut in two"

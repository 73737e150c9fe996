"""Each credential format: found wherever it stands, told from what only looks like it, documented."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from flightlog.recorder.redact import RULES, Rule
from flightlog.recorder.rules.rule import Run
from tests.recorder.secrets import event, nested, redactor

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "redaction.md"

# What stands right beside each format that is known by its surroundings, and is none.
NEAR_MISSES = {
    "openai": "sk-cube-grid-spinner-element-one",
    "aws-secret-access": "aws_secret_access_key_rotated_days: 40",
    "azure-storage": "AccountKey is the first of two keys",
    "azure-sas": "config=" + "a" * 50,
    "signed-url": "X-Amz-Signature is computed over the request",
    "cohere": "cohere_models=" + "a" * 40,
    "datadog": "dd_api_site=" + "a1" * 16,
    "slack-webhook": "https://hooks.slack.com/services/ is where webhooks live",
    "discord-webhook": "https://discord.com/api/v10/channels/123456789012345678/messages",
    "teams-webhook": "https://demo.webhook.office.com/webhookb2/short",
    "private-key-block": "the file starts with -----BEGIN PRIVATE KEY-----, then come lines of base64",
    "jwt": "eyJhbGciOiJIUzI1NiJ9 is only the first part",
    "auth-header": "authorization: required for all of these endpoints",
    "bearer": "the bearer authentication scheme",
    "basic": "basic authentication, Basic Understanding of basics",
    "cookie-header": "cookie: a small text file",
    "url-userinfo": "http://localhost:8080/path?mail=someone@example.com and git@example.com:org/repo.git",
    "connection-string": "Server=db;Password=${DB_PASSWORD};Encrypt=yes",
    "sql-login": "IDENTIFIED BY is part of CREATE USER",
    "netrc": "login with your name and password is required",
    "crypt-hash": "costs $5$ or $6$ a month",
    "command-line": "deploy --token-file /run/secrets/token --verbose",
    "sensitive-key": '{"max_tokens": "100", "token_type": "bearer", "password": null}',
    "assignment": "def login(password: str, token: str | None = None) -> None: ...",
}


def by_name(rule: Rule) -> str:
    return rule.name


def test_there_are_far_more_than_forty_formats_each_with_a_name_and_a_source() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES) >= 100
    for rule in RULES:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
        assert rule.source.startswith("https://")
        assert rule.finds


@pytest.mark.parametrize("rule", RULES, ids=by_name)
@pytest.mark.parametrize("levels", [0, 1, 2, 3])
def test_a_secret_is_replaced_at_every_level_of_escaping(rule: Rule, levels: int) -> None:
    redact = redactor()
    data = event({"text": nested(rule.example(), levels)})
    assert redact.hits(data)
    redacted = redact.redact(data)
    assert redacted.count == 1
    assert redacted.rules == (rule.name,)
    text = json.loads(redacted.data)["payload"]["text"]
    for _ in range(levels):
        text = json.loads(text)["arguments"]
    assert re.fullmatch(
        re.escape(rule.before) + rf"\[REDACTED:{rule.name}:[0-9a-f]{{8}}\]" + re.escape(rule.after), text
    )
    assert redact.redact(redacted.data).data == redacted.data
    assert not redact.hits(redacted.data), "a redaction must not be looked at again"


@pytest.mark.parametrize("rule", RULES, ids=by_name)
def test_a_secret_is_replaced_wherever_an_event_can_carry_text(rule: Rule) -> None:
    redact = redactor()
    text = f"Look:\n\t{rule.example()}\nthat was it"
    payload = {"list": [["deep", {"er": text}]], text: "as a key", "after": text + "\n", "unicode": "é😀" + text}
    data = event(payload, name=text, actor=text)
    assert redact.hits(data)
    redacted = redact.redact(data)
    for piece in re.findall(r"[A-Za-z0-9+/_.~@$%-]{9,}", rule.secret()):
        if "KEY" not in piece:
            assert piece not in redacted.data.decode()
    read = json.loads(redacted.data)
    assert read["payload"]["list"][0][0] == "deep"
    assert read["event_id"] == "e1"


@pytest.mark.parametrize("rule", RULES, ids=by_name)
def test_strange_escapes_hide_nothing(rule: Rule) -> None:
    redact = redactor()
    everything = "".join(f"\\u{ord(letter):04x}" for letter in rule.example())
    dotnet = re.sub(r"[\"&'+/<=>`]", lambda found: f"\\u{ord(found[0]):04X}", json.dumps({"a": rule.example()})[7:-2])
    slashes = json.dumps({"a": rule.example()})[7:-2].replace("/", "\\/")
    for written in (everything, dotnet, slashes):
        inner = '{"a": "' + written + '"}'
        for data in (event({"text": inner}), event({"text": nested(inner, 2)}), b'{"payload":' + inner.encode() + b"}"):
            assert redact.hits(data)
            redacted = redact.redact(data)
            assert redacted.count == 1
            assert redacted.rules == (rule.name,)


@pytest.mark.parametrize("rule", RULES, ids=by_name)
def test_equal_secrets_are_recognised_within_one_key(rule: Rule) -> None:
    def digests(data: bytes, **given: bytes) -> list[str]:
        from_key = redactor() if not given else type(redactor())(digest_key=given["key"])
        return re.findall(r":([0-9a-f]{8})\]", from_key.redact(data).data.decode())

    once = event({"a": rule.example(), "b": nested(rule.example(), 2)})
    here = digests(once)
    assert len(here) == 2
    assert here[0] == here[1]
    assert digests(event({"a": rule.example(seed=1)})) != here[:1] or rule.secret(1) == rule.secret(0)
    assert digests(once, key=b"another key") != here


@pytest.mark.parametrize("rule", RULES, ids=by_name)
def test_a_near_miss_stays_as_it_is(rule: Rule) -> None:
    near = NEAR_MISSES.get(rule.name) or shortened(rule)
    data = event({"text": near})
    redacted = redactor().redact(data)
    assert rule.name not in redacted.rules
    if rule.name in NEAR_MISSES:
        assert redacted.data == data


def shortened(rule: Rule) -> str:
    """A token whose last run is one letter too short."""
    assert not rule.before, f"{rule.name} needs a near miss of its own"
    last = max(index for index, part in enumerate(rule.parts) if isinstance(part, Run))
    parts = list(rule.parts)
    run = parts[last]
    assert isinstance(run, Run)
    if run.least == 1:
        return rule.secret()[:-2]
    parts[last] = Run(run.letters, run.least - 1, run.least - 1)
    return rule._replace(parts=tuple(parts)).secret()


def test_the_docs_list_every_rule_with_its_source() -> None:
    page = PAGE.read_text("utf-8")
    missing = [
        rule.name for rule in RULES if f"| `{rule.name}` | {rule.finds} | [{_host(rule)}]({rule.source}) |" not in page
    ]
    assert not missing, f"docs/reference/redaction.md lacks, or says otherwise of, {missing}"


def _host(rule: Rule) -> str:
    return rule.source.split("/")[2]

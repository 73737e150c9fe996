"""What redaction does to events, beyond the single formats: keys, text, ids, a caller's own rules, and when it fails."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable

import pytest

from flightlog.config import Settings
from flightlog.errors import RedactionFailed, SettingInvalid
from flightlog.recorder.redact import RULES, Redactor
from tests.recorder.secrets import KEY, event, nested, redactor, shown

GITHUB = next(rule for rule in RULES if rule.name == "github")

# In each of these texts `hunter2` is a secret, and the word after `still` is none.
GIVEN_AWAY = [
    "password=hunter2",
    "DB_PASSWORD=hunter2 still=here",
    "export API_TOKEN=hunter2; still",
    "env:\nSMTP_PASS=hunter2\nstill=here",
    "password: hunter2\nstill: here",
    "password = 'hunter2'  # still",
    'const apiKey = "hunter2"; still()',
    "let clientSecret = `hunter2`; still()",
    'password: str = "hunter2"',
    "config['SECRET_KEY'] = 'hunter2'",
    '{"password": "hunter2", "still": "here"}',
    "{'password': 'hunter2', 'still': 'here'}",
    "{:password => 'hunter2', :still => 'here'}",
    "{'password' => 'hunter2'}",
    '{"user": {"credentials": {"deep": [{"er": "hunter2"}]}}, "still": "here"}',
    '{"name": "DB_PASSWORD", "value": "hunter2"}',
    "- name: DB_PASSWORD\n  value: hunter2\n- name: still",
    '<input name="csrf_token" value="hunter2"> still',
    "[['x-api-key', 'hunter2-and-more'], ['still', 'here']]",
    "headers = {'Authorization': 'Bearer hunter2'}; still",
    "Authorization: Bearer hunter2\r\nStill: here",
    "Authorization: hunter2\r\nStill: here",
    'Still: here\r\nAuthorization: Digest username="me", response="hunter2"',
    "Still: here\r\nCookie: lang=en; sid=hunter2",
    "postgres://still:hunter2@db/app",
    "mongodb+srv://still:hunter2@db/app",
    "redis://:hunter2@cache:6379/0 still",
    "amqp://still:hunter2@queue//",
    "https://still:hunter2@example.com/path",
    "Server=db;User Id=still;Password=hunter2;Encrypt=yes",
    "Password=hunter2 with blanks;Server=still",
    "mysqladmin --password=hunter2 still",
    "tool --api-key hunter2 --still",
    'tool --db-password "hunter2 and more" --still',
    "curl -s -u still:hunter2 https://example.com",
    "curl --user still:hunter2 https://example.com",
    "sshpass -p hunter2 ssh still@example.com",
    "machine example.com login still password hunter2",
    "CREATE USER still IDENTIFIED BY 'hunter2'",
    '{"password": "hunter2',
    'data: {"type":"delta","partial_json":"{\\"password\\":\\"hunter2',
]

# Texts about secrets with no secret in them: they stay as they are.
HARMLESS = [
    '{"usage": {"input_tokens": 12, "output_tokens": "34", "total_tokens": 46, "token_count": "7"}, "max_tokens": 4096}',
    '{"token_type": "bearer", "tokens": "one two", "tokenizer": "cl100k", "eos_token": "</s>", "next_token": "abc"}',
    '{"logprobs": {"content": [{"token": "Hello", "logprob": -0.1, "bytes": [72]}, {"logprob": -2, "token": "you"}]}}',
    '{"password": null, "secret": true, "token": 123456, "api_key": ""}',
    '{"parameters": {"properties": {"password": {"type": "string", "description": "The password to use"}}}}',
    '{"required": ["username", "password", "email"], "fields": ["token", "name"]}',
    "def login(self, password: str, token: str | None = None) -> bool:\n    self.password = password",
    "client = Client(api_key=os.environ['API_KEY'], token=token, secret=None)",
    "token = get_token()\nsecret = settings.SECRET_KEY\nif password == other: pass",
    "print('Enter your password: ' + name)",
    "password=${DB_PASSWORD} token=$TOKEN secret={{ secret }} api_key=<your key> password=***",
    "PWD=/root/work OLDPWD=/root",
    "the password is required; a token, which expires; this secret garden",
    "docker run -u 1000:1000 image && id -u user:group",
    "http://localhost:8080/a@b git@example.com:org/repo.git mailto:someone@example.com",
    "basic authentication, bearer of good news, Basic English",
    "primary_key=True, foreign_key: users.id, cache_key=abc, key: value",
    "5d41402abc4b2a76b9719d911017c592 a3f5e2d1-7c4b-4e8a-9f10-2b3c4d5e6f70 sha256:" + "0a" * 32,
    "task-management-system-overview sk-learn risk-based-approach-with-many-words disk-encryption",
    '{"session_id": "0f9a", "sessionId": "1b"}',
]

# What agents send all day: the fast scan itself must not stop at it.
EVERYDAY: list[object] = [
    {
        "model": "gpt-4.1",
        "messages": [
            {"role": "system", "content": "You are a careful engineer. Answer briefly."},
            {
                "role": "user",
                "content": "Why does tests/test_login.py fail?\n\n    assert total == 3\nE   assert 2 == 3\n",
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_9f8e7d6c5b4a",
                        "type": "function",
                        "function": {
                            "name": "read_file",
                            "arguments": '{"path": "src/app/login.py", "lines": [1, 80]}',
                        },
                    }
                ],
            },
        ],
        "parameters": {"max_tokens": 4096, "temperature": 0.2, "max_completion_tokens": 100, "stop": ["\n\n"]},
        "tools": [{"name": "grep", "parameters": {"type": "object", "properties": {"pattern": {"type": "string"}}}}],
    },
    {
        "usage": {
            "input_tokens": 1204,
            "output_tokens": 88,
            "cached_input_tokens": 1024,
            "reasoning_tokens": 0,
            "prompt_tokens": 1204,
            "completion_tokens": 88,
            "total_tokens": 1292,
            "completion_tokens_details": {"accepted_prediction_tokens": 0},
        },
        "finish_reasons": ["stop"],
        "response_id": "chatcmpl-BTQ7x2kLmN3pRsVwYz1A4C6E8G0",
        "system_fingerprint": "fp_44709d6fcb",
    },
    {"ids": ["0197a3c4-5b6d-7e8f-9a0b-1c2d3e4f5a6b", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "msg_01XFDUDYJgAACzvnptvVoYEL"]},
    {
        "digest": "sha256:" + "9f86d081884c7d65" * 4,
        "commit": "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
        "etag": 'W/"5e1"',
    },
    {"image": "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk" * 40 + "=="},
    {
        "diff": "--- a/src/total.py\n+++ b/src/total.py\n@@ -1,6 +1,7 @@\n def total(items: list[int]) -> int:\n"
        '-    """Sum."""\n+    """The sum of all items."""\n     result = 0\n     for item in items:\n         result += item\n'
    },
    {
        "stack": 'Traceback (most recent call last):\n  File "/home/me/main.py", line 42, in run\n    at = parse(row["at"])\n'
        "TypeError: can't compare offset-naive and offset-aware datetimes\n"
    },
    {
        "command": ["python", "-m", "pytest", "-q", "--maxfail=1", "tests/test_total.py::test_sum"],
        "stdout": {"head": "..F\n=== 1 failed, 2 passed in 0.12s ===\n", "tail": "", "bytes": 48, "truncated": False},
        "env": {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PWD_LENGTH": "12"},
    },
    {
        "html": '<a href="https://example.com:8443/docs?page=2&sort=name#top">docs</a> \u003cscript\u003e',
        "url": "s3://bucket/key",
    },
    {
        "sql": "SELECT id, name FROM users WHERE created_at > '2026-01-01' ORDER BY id LIMIT 10",
        "rows": [[1, "Ada"], [2, "Bob"]],
    },
    {"text": "Kurz gesagt: die Prüfung schlägt fehl, weil das Datum keine Zeitzone hat. 修复了登录错误。 🎉"},
    {
        "attributes": {
            "gen_ai.request.model": "claude",
            "gen_ai.usage.input_tokens": 5,
            "http.status_code": 200,
            "server.port": 443,
        }
    },
]


@pytest.mark.parametrize("text", GIVEN_AWAY)
@pytest.mark.parametrize("levels", [0, 1, 2])
def test_a_secret_in_text_is_taken_out_and_nothing_else(text: str, levels: int) -> None:
    said = shown(nested(text, levels))
    assert "hunter2" not in said
    assert "[REDACTED:" in said
    assert said.lower().count("still") == nested(text, levels).lower().count("still")


@pytest.mark.parametrize("text", HARMLESS)
@pytest.mark.parametrize("levels", [0, 1, 2])
def test_text_about_secrets_stays_as_it_is(text: str, levels: int) -> None:
    assert shown(nested(text, levels)) == nested(text, levels)


@pytest.mark.parametrize("payload", EVERYDAY)
def test_everyday_payloads_pass_the_first_scan(payload: object) -> None:
    redact = redactor()
    for data in (event(payload), event({"arguments": json.dumps(payload)}), json.dumps({"payload": payload}).encode()):
        assert not redact.hits(data)


@pytest.mark.parametrize(
    "key",
    "password Password PASSWORD passwd user_password userPassword db-password passphrase secret client_secret "
    "clientSecret token access_token accessToken refresh-token id_token x-amz-security-token api_key apiKey api-key "
    "API Key apikey x-api-key private_key privateKey signing_key authorization Proxy-Authorization cookie Set-Cookie "
    "credential credentials session jwt otp smtp_pass aws_secret_access_key secret_key_base password_hash token2".replace(
        "API Key", "API_Key"
    ).split(),
)
def test_every_string_under_a_sensitive_key_is_taken_out(key: str) -> None:
    redact = redactor()
    payload: dict[str, object] = {key: "hunter2", "after": {"x": 1}}
    if key not in ("session", "jwt", "otp"):
        payload = {"first": {key: "hunter2"}, "list": [{key: ["hunter2", {"a": "hunter2", "n": 5}]}], "last": {key: 7}}
    data = event(payload)
    assert redact.hits(data)
    redacted = redact.redact(data)
    assert b"hunter2" not in redacted.data
    assert redacted.rules == ("sensitive-key",)
    read = json.loads(redacted.data)["payload"]
    if "list" in read:
        assert read["list"][0][key][1]["n"] == 5
        assert read["last"][key] == 7


def test_a_secret_in_a_list_of_words_is_taken_out() -> None:
    data = event({"command": ["deploy", "--password", "hunter2", "--verbose", "still"]})
    read = json.loads(redactor().redact(data).data)
    assert read["payload"]["command"][:2] + read["payload"]["command"][3:] == [
        "deploy",
        "--password",
        "--verbose",
        "still",
    ]
    assert read["payload"]["command"][2].startswith("[REDACTED:command-line:")
    data = event({"command": ["curl", "-u", "me:hunter2", "https://example.com"]})
    assert b'"me:[REDACTED:command-line:' in redactor().redact(data).data


def test_a_secret_that_is_a_key_is_taken_out() -> None:
    data = event({GITHUB.secret(): {"owner": "me"}})
    (key,) = json.loads(redactor().redact(data).data)["payload"]
    assert key.startswith("[REDACTED:github:")


def test_all_other_bytes_stay_as_they_are() -> None:
    before, after = (
        b'{"payload":{"n":1.50,"big":123456789012345678901234567890,"e":1E400, "a":"',
        b'","a":"\\u00e9\\/"} }',
    )
    redacted = redactor().redact(before + GITHUB.secret().encode() + after)
    assert redacted.data.startswith(before + b"[REDACTED:github:")
    assert redacted.data.endswith(after)


def test_ids_are_left_alone_unless_a_token_with_a_fixed_beginning_is_used_as_one() -> None:
    ids = ("event_id", "run_id", "trace_id", "span_id", "parent_span_id", "producer_id", "created_at", "type")
    fields: dict[str, object] = dict.fromkeys(ids, "token=abc12345")
    data = event({**fields, "note": GITHUB.secret()}, **fields)
    read = json.loads(redactor().redact(data).data)
    assert {read[name] for name in ids} == {"token=abc12345"}
    assert "abc12345" not in json.dumps(read["payload"]), "only the event's own ids are left alone"
    assert GITHUB.secret() not in redactor().redact(event({}, run_id=GITHUB.secret())).data.decode()


def test_a_key_written_with_escapes_is_recognised() -> None:
    data = b'{"payload":{"p\\u0061ssword":"hunter2","\\u0070wd" : "hunter2"}}'
    assert redactor().hits(data)
    assert b"hunter2" not in redactor().redact(data).data


def test_json_inside_a_string_stays_json() -> None:
    token = next(rule for rule in RULES if rule.name == "replicate").secret()
    for text in (
        "a\\" + token,
        "\r" + token[1:],
        f"'{token}'",
        f'"{token}"',
        "\\\\" + token + "\\",
        f"\t{token}\n",
        f"é {token}é",
    ):
        for levels in range(1, 4):
            said = shown(nested(text, levels))
            for _ in range(levels):
                said = json.loads(said)["arguments"]
            assert token[2:] not in said


def test_nesting_has_no_limit() -> None:
    deep = b'{"payload":' + b'{"a":[' * 50_000 + b'{"password":"hunter2"}' + b"]}" * 50_000 + b"}"
    assert redactor().hits(deep)
    assert b"hunter2" not in redactor().redact(deep).data


def test_a_cut_off_private_key_is_taken_out_to_its_end() -> None:
    rule = next(rule for rule in RULES if rule.name == "private-key-block")
    whole = rule.secret()
    for cut in (80, 100, 120):
        for text in (whole[:cut], whole[:cut].replace("\n", "\\n"), whole[:cut].replace("\n", "\\\\n")):
            assert shown("key: " + text).startswith("key: [REDACTED:private-key-block:")
            assert whole[70:78] not in shown("key: " + text)


def test_what_merely_looks_like_a_redaction_hides_nothing() -> None:
    mark = "[REDACTED:github:01234567]"
    for text in (
        f'{{"password": "{mark}hunter2"}}',
        f'{{"password": "{mark} hunter2"}}',
        f"TOKEN={mark}hunter2",
        "PASSWORD=[REDACTED:hunter2",
    ):
        assert "hunter2" not in shown(text)
    assert shown(f"password={mark} token: {mark}") == f"password={mark} token: {mark}"


# A caller's own


def test_a_callers_keys_are_sensitive_whatever_their_case_and_separators() -> None:
    redact = redactor(keys=["customerRef", "IBAN"])
    for key in ("customerRef", "customer_ref", "Customer-Ref", "CUSTOMER REF", "iban"):
        data = event({key: "hunter2", "other": "still"})
        assert redact.hits(data)
        assert b"hunter2" not in redact.redact(data).data
        assert b"still" in redact.redact(data).data
    assert "hunter2" not in shown("iban=hunter2", keys=["IBAN"])
    assert "hunter2" not in shown(nested('{"iban": "hunter2"}', 2), keys=["IBAN"])
    data = event({"old_customer_ref": "still", "caliban": "still"})
    assert redact.redact(data).data == data
    assert b"hunter2" not in redact.redact(event({"db_password": "hunter2"})).data


@pytest.mark.parametrize(
    "pattern", ["acme_[a-z0-9]{8}", "(?i)ACME_[0-9a-z]+", r"\bacme_\w+", r'"?acme_[^" ]+', "^.*acme_.*$"]
)
def test_a_callers_pattern_is_a_rule_like_ours(pattern: str) -> None:
    redact = redactor(patterns=[pattern])
    for levels in range(3):
        data = event({"text": nested("acme_12345678", levels)})
        assert redact.hits(data)
        redacted = redact.redact(data)
        assert b"acme_12345678" not in redacted.data
        assert redacted.rules == ("custom",)
        json.loads(redacted.data)
    clean = event({"text": "acme is fine"})
    assert not redact.hits(clean)
    assert redact.redact(clean).data == clean


def test_of_a_callers_pattern_only_the_group_named_secret_is_taken_out() -> None:
    said = shown("order 4711 of Ada", patterns=[r"order (?P<secret>\d+)"])
    assert said.startswith("order [REDACTED:custom:")
    assert said.endswith("] of Ada")


def test_what_is_allowed_in_full_stays() -> None:
    secret = GITHUB.secret()
    assert shown(f"use {secret}", allow=[secret]) == f"use {secret}"
    assert shown("password=example-only", allow=["example-.*"]) == "password=example-only"
    assert secret not in shown(f"use {secret}", allow=[secret[:-1]])
    assert "hunter2" not in shown("password=example-hunter2", allow=["example-"])


@pytest.mark.parametrize(
    ("setting", "given"), [("redact_patterns", {"patterns": ["a(b"]}), ("redact_allow", {"allow": ["(?=x)"]})]
)
def test_a_pattern_that_is_none_is_refused_by_name(setting: str, given: dict[str, list[str]]) -> None:
    with pytest.raises(SettingInvalid) as caught:
        redactor(**given)
    assert caught.value.facts["name"] == setting
    assert caught.value.facts["value"] in str(caught.value)
    with pytest.raises(SettingInvalid, match="empty"):
        redactor(patterns=["a*"])
    with pytest.raises(SettingInvalid):
        redactor(patterns="abc")


def test_settings_describe_a_redactor() -> None:
    settings = Settings(redact_keys=("iban",), redact_patterns=("acme_[0-9]+",), redact_allow=("acme_1",))
    redact = Redactor.from_settings(settings, digest_key=KEY)
    data = event({"iban": "hunter2", "a": "acme_1", "b": "acme_2"})
    read = json.loads(redact.redact(data).data)["payload"]
    assert read["a"] == "acme_1"
    assert read["iban"].startswith("[REDACTED:sensitive-key:")
    assert read["b"].startswith("[REDACTED:custom:")


def test_redaction_that_is_switched_off_changes_nothing() -> None:
    redact = Redactor.from_settings(Settings(redact=False, redact_patterns=('"x',)))
    data = event({"password": "hunter2"})
    assert not redact.hits(data)
    assert redact.redact(data) == (data, 0, ())
    assert redact.redact_text("password=hunter2") == "password=hunter2"


# Failing, and the host's peace


def test_text_that_nests_for_ever_fails_closed() -> None:
    endless = "\\u005c" + "u005c" * 60 + "u0070assword=hunter2"
    data = event({"text": endless})
    assert redactor().hits(data)
    with pytest.raises(RedactionFailed) as caught:
        redactor().redact(data)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in redactor().redact_text(endless)


def test_an_error_on_the_way_fails_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("hunter2 in a message")

    monkeypatch.setattr("flightlog.recorder.redact.merge", broken)
    with pytest.raises(RedactionFailed) as caught:
        redactor().redact(event({"password": "hunter2"}))
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in redactor().redact_text("password=hunter2")


def test_text_is_redacted_too_and_half_letters_do_no_harm() -> None:
    assert "hunter2" not in redactor().redact_text("\ud800 password=hunter2 \udfff")
    assert redactor().redact_text("\ud800 fine é") == "\ud800 fine é"
    assert redactor().redact_text('say "password": "hunter2"').startswith('say "password": "[REDACTED:')


def test_a_string_with_too_many_secrets_to_look_at_is_replaced_as_a_whole() -> None:
    said = shown("password=hunter2!\n" * 3_000)
    assert said.startswith("[REDACTED:crowded:")
    assert said.endswith("]")
    assert len(said) < 40
    many = shown("".join(f"line {n}\npassword=hunter2!\n" for n in range(300)))
    assert many.count("[REDACTED:assignment:") == 300


HOSTILE = [
    "password==",
    "password=x ",
    "token:",
    "sk-sk-",
    "eyJ-" + GITHUB.secret() + "-",
    "eyJaaaaaaaa.",
    "-----BEGIN PRIVATE KEY-----",
    "://a:b",
    "://a:b@",
    "\\",
    '\\\\\\"',
    "\\u005cu005c",
    "\n",
    "authorization: digest {",
    "cookie: a=b ",
    '"secret":[',
    '"secret":{"a":"b",',
    "password: aaa bbb ",
    "--token",
    "curl -u a:b ",
    "login a password b ",
    "password='",
    "[REDACTED:github:01234567]",
    "Private-Lines: 1 ",
    "\\u0061",
    "$6$a",
]


@pytest.mark.parametrize("seed", HOSTILE)
def test_time_grows_no_faster_than_the_text(seed: str) -> None:
    redact = redactor()

    def seconds(size: int) -> float:
        data = event({"text": (seed * size)[:size]})

        def once() -> float:
            start = time.thread_time()
            try:
                redact.redact(data)
            except RedactionFailed:
                pass
            return time.thread_time() - start

        return min(once() for _ in range(3))

    seconds(4_096)
    small, large = seconds(8_192), seconds(65_536)
    assert large < max(small, 0.001) * 8 * 4, "eight times the text may take eight times as long, and some noise"


def test_a_fork_while_other_threads_search_does_not_hang() -> None:
    redact = redactor()
    data = event({"text": "some words " * 2_000, "password": "hunter2"})
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            redact.hits(data)
            redact.redact(data)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    parents = redact._engine
    try:
        for _ in range(10):
            _in_child(lambda: redact.hits(data) and redact.redact(data).count == 1 and redact._engine is not parents)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _in_child(check: Callable[[], bool]) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0 if check() else 1)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.005)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    pytest.fail("the child hangs")

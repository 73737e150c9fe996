"""What goes through the intake comes out without secrets, within its limit, or withheld. It never raises."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.config import Settings
from flightlog.errors import RedactionFailed
from flightlog.events.envelope import FLAG_IMPORTED, FLAG_REDACTED, FLAG_TRUNCATED, FLAG_WITHHELD, Event, check_envelope
from flightlog.ingest.batch import Intake
from flightlog.recorder.redact import Redacted, Redactor
from tests.ingest.reading import payload

SETTINGS = Settings()
SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.fixture(scope="module")
def intake() -> Intake:
    return Intake(Redactor(digest_key=b"test"), SETTINGS)


def event(data: object, **envelope: object) -> Event:
    fields = {"event_id": "e1", "type": "note", "created_at": 5, "run_id": "claude-code-1", "flags": FLAG_IMPORTED}
    made = msgspec.convert(fields | envelope, Event)
    made.payload = msgspec.Raw(data if isinstance(data, bytes) else json.dumps(data).encode())
    return made


def test_an_event_without_secrets_passes_as_it_is(intake: Intake) -> None:
    untouched = event({"text": "all is well", "list": [1, 2.5, None]}, name="plan", status="ok")
    assert intake.prepare(untouched) is untouched


@pytest.mark.parametrize(
    "data",
    [
        {"text": f"use {SECRET} now"},
        {"deep": [{"er": json.dumps({"inner": SECRET})}]},
        b'{"text":"use \\u0067hp_' + SECRET[4:].encode() + b' now"}',
        b'{"text":"https:\\/\\/bob:' + SECRET.encode() + b'@example.com\\/x"}',
        b'{"text":"postgres\\u003a\\u002f\\u002fbob\\u003a' + SECRET[4:].encode() + b'\\u0040db\\u002fx"}',
    ],
)
def test_a_secret_in_the_payload_is_gone_however_it_is_written(intake: Intake, data: object) -> None:
    safe = intake.prepare(event(data))
    assert SECRET[8:] not in bytes(safe.payload).decode()
    assert "[REDACTED:" in bytes(safe.payload).decode()
    assert safe.flags == FLAG_IMPORTED | FLAG_REDACTED
    assert (safe.event_id, safe.run_id, safe.created_at) == ("e1", "claude-code-1", 5)


def test_a_secret_in_the_envelope_is_gone(intake: Intake) -> None:
    safe = intake.prepare(event({}, name=f"curl -H {SECRET}", actor=SECRET))
    assert SECRET not in f"{safe.name} {safe.actor}"
    assert safe.flags & FLAG_REDACTED


def test_a_payload_is_whole_up_to_the_limit_and_a_preview_beyond_it(intake: Intake) -> None:
    room = SETTINGS.payload_bytes_max - len(json.dumps({"text": ""}))
    assert intake.prepare(event({"text": "x" * room})).flags == FLAG_IMPORTED
    safe = intake.prepare(event({"text": "x" * (room + 1), "usage": {"input_tokens": 5}}))
    assert safe.flags == FLAG_IMPORTED | FLAG_TRUNCATED
    assert len(bytes(safe.payload)) <= SETTINGS.payload_bytes_max
    assert "cut" in payload(safe)["text"]
    assert payload(safe)["usage"] == {"input_tokens": 5}


@pytest.mark.parametrize("patterns", [(), ("acme_[a-z]{6}",), ('name="[^"]+"',)])
def test_a_batch_comes_out_as_its_events_do_one_by_one(patterns: tuple[str, ...]) -> None:
    intake = Intake(Redactor(digest_key=b"test", patterns=patterns), SETTINGS)
    secret, plain = event({"text": f"use {SECRET}"}), event({"text": "all is well"}, name="plan")
    others = [
        event({"text": "x" * SETTINGS.payload_bytes_max}),
        event({}, actor=SECRET),
        event(b'{"text":"use \\u0067hp_' + SECRET[4:].encode() + b' now"}'),
        event({"text": 'acme_abcdef, name="bob"'}),
        event(b'{"half":"\\ud83d", "text":"' + SECRET.encode() + b'"}', name="\ud83d"),
        event({"token": ""}),
    ]
    for batch in ([], [plain], [secret], [plain, plain], [secret, secret, plain], [plain, *others, plain, secret]):
        safe = intake.prepare_all(batch)
        assert safe == [intake.prepare(one) for one in batch]
        assert all(one is plain for one, given in zip(safe, batch, strict=True) if given is plain)
        assert SECRET[8:] not in repr([bytes(one.payload) for one in safe])


def test_a_secret_where_the_payload_is_cut_does_not_survive_in_halves(intake: Intake) -> None:
    for before in range(SETTINGS.payload_bytes_max // 2 - 200, SETTINGS.payload_bytes_max // 2 + 200, 10):
        safe = intake.prepare(event({"text": "." * before + f" {SECRET} " + "." * SETTINGS.payload_bytes_max}))
        assert SECRET[4:12] not in bytes(safe.payload).decode()
        assert safe.flags == FLAG_IMPORTED | FLAG_TRUNCATED | FLAG_REDACTED


class Failing(Redactor):
    """A redactor that finds something and then fails."""

    def hits(self, data: bytes) -> bool:
        return True

    def redact(self, data: bytes) -> Redacted:
        raise RedactionFailed(reason="test")


class Broken(Redactor):
    """A redactor that fails where it should not."""

    def hits(self, data: bytes) -> bool:
        raise ZeroDivisionError


@pytest.mark.parametrize("redactor", [Failing(), Broken()])
def test_when_redaction_fails_the_payload_is_withheld_and_so_are_words(redactor: Redactor) -> None:
    words = {"name": "a", "actor": "b", "source": "c", "task_id": "d", "correlation_id": "e"}
    safe = Intake(redactor, SETTINGS).prepare(event({"text": SECRET}, duration_ns=7, trace_id="t", **words))
    assert list(payload(safe)) == ["withheld"]
    assert payload(safe)["withheld"].startswith("redaction failed")
    assert safe.flags == FLAG_IMPORTED | FLAG_WITHHELD
    assert [getattr(safe, word) for word in words] == [None] * len(words)
    assert (safe.event_id, safe.run_id, safe.trace_id, safe.created_at, safe.duration_ns) == (
        "e1",
        "claude-code-1",
        "t",
        5,
        7,
    )


@pytest.mark.parametrize("depth", [100, 900])
def test_a_deeply_nested_payload_is_survived(intake: Intake, depth: int) -> None:
    for inner in (b"1", json.dumps(SECRET).encode(), b'"\\u0067hp_' + SECRET[4:].encode() + b'"'):
        safe = intake.prepare(event(b'{"a":' + b"[" * depth + inner + b"]" * depth + b"}"))
        assert SECRET[8:] not in bytes(safe.payload).decode()


def test_redaction_can_be_switched_off(intake: Intake) -> None:
    off = Intake(Redactor(enabled=False), SETTINGS)
    assert SECRET in payload(off.prepare(event({"text": SECRET})))["text"]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.just(SECRET),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), json_values, max_size=4), st.booleans())
def test_whatever_goes_in_comes_out_valid_and_without_the_secret(data: dict[str, object], ascii_only: bool) -> None:
    intake = Intake(Redactor(digest_key=b"test"), SETTINGS)
    safe = intake.prepare(event(json.dumps(data, ensure_ascii=ascii_only).replace("/", "\\/").encode()))
    check_envelope(safe)
    assert SECRET not in bytes(safe.payload).decode("utf-8")
    assert isinstance(payload(safe), dict)
    if SECRET not in json.dumps(data):
        assert payload(safe) == data or safe.flags != FLAG_IMPORTED

"""Plant secrets wherever an event can carry text, then grep every byte of every file of the data folder for them."""

from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path
from typing import Any

import httpx

import flightlog
from tests.journeys.served import cli, serve


def made(prefix: str, length: int, alphabet: str = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0z") -> str:
    """A made-up secret of a documented format; put together here so that no such literal stands in the repository."""
    return prefix + (alphabet * 9)[len(prefix) : len(prefix) + length]


SECRETS = {
    "github": made("gh" + "p_", 36),
    "openai": made("sk" + "-proj-", 48),
    "anthropic": made("sk-" + "ant-api03-", 93) + "AA",
    "aws": "AK" + "IA" + "Q3EGRIFTWZ7KD5MN",
    "stripe": made("sk" + "_live_", 24),
    "slack": "xo" + "xb-" + "123456789012-1234567890123-" + made("", 24),
    "password": "correct-horse-9-battery",
    "url_password": "s3cr3tInUrl77",
    "bearer": made("", 40),
    "cookie": "sid=" + made("", 32),
    "pem": "MIIEvQ" + made("", 60),
}
PEM = f"-----BEGIN PRIVATE KEY-----\n{SECRETS['pem']}\n-----END PRIVATE KEY-----\n"
TOKENS = [SECRETS[name] for name in ("github", "openai", "anthropic", "aws", "stripe", "slack")]
EVERYTHING = " ".join(
    [*TOKENS, f"postgres://app:{SECRETS['url_password']}@db/x", f"password={SECRETS['password']}", PEM]
)


@dataclasses.dataclass
class Login:
    user: str
    password: str


def plant(rec: flightlog.Recorder) -> None:
    """Secrets in payload values, keys, escaped JSON, exceptions, envelope fields, run and span names, helpers."""
    with rec.run(
        f"deploy with {TOKENS[0]}", actor=TOKENS[1], task_id=TOKENS[2], attributes={"k": EVERYTHING}, input=PEM
    ) as run:
        run.emit("note", {"text": EVERYTHING})
        run.emit("note", {"text": "x", "nested": [{"deep": {"er": EVERYTHING}}], TOKENS[3]: 1})
        run.emit(
            "note",
            {
                "text": json.dumps(
                    {"password": SECRETS["password"], "inner": json.dumps({"api_key": SECRETS["bearer"]})}
                )
            },
        )
        run.emit(
            "note", {"text": "headers", "Authorization": f"Bearer {SECRETS['bearer']}", "cookie": SECRETS["cookie"]}
        )
        run.emit(
            "note", {"text": f"curl -H 'Authorization: Bearer {SECRETS['bearer']}' -H 'Cookie: {SECRETS['cookie']}'"}
        )
        run.emit("note", {"text": "bytes", "raw": EVERYTHING.encode(), "login": Login("me", SECRETS["password"])})
        run.emit("note", {"text": "large", "blob": ("filler " * 20_000) + EVERYTHING + (" filler" * 20_000)})
        run.emit("note", {"text": "x"}, name=TOKENS[4], correlation_id=TOKENS[5], actor=TOKENS[0], source=TOKENS[1])
        run.emit(f"not a type {TOKENS[0]}", {"a": 1})
        with run.span(TOKENS[0], argument=EVERYTHING):
            pass
        try:
            raise ValueError(EVERYTHING)
        except ValueError as error:
            run.emit("note", {"text": "error", "error": error})
            run.error(error)
        run.exec(["sh", "-c", f"echo '{TOKENS[0]}'; echo '{TOKENS[1]}' >&2", TOKENS[2]])
        with run.llm(
            "m", messages=[{"role": "user", "content": EVERYTHING}], parameters={"api_key": SECRETS["bearer"]}
        ) as call:
            call.record({"choices": [{"message": {"role": "assistant", "content": EVERYTHING}}]})
        run.patch_proposed(f"--- a/.env\n+++ b/.env\n@@ -1 +1 @@\n-A=1\n+TOKEN={TOKENS[0]}\n")
        run.decision("network", "denied", reason=EVERYTHING, resource=f"https://u:{SECRETS['url_password']}@host/")


def found_in(folder: Path) -> dict[str, list[str]]:
    """Which secrets are in which files, as they are and in the encodings that text gets on its way."""
    hits: dict[str, list[str]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        for name, secret in SECRETS.items():
            forms = [
                secret.encode(),
                base64.b64encode(secret.encode())[:-4],
                secret.encode("utf-16-le"),
                secret[::-1].encode(),
            ]
            if any(form in data for form in forms):
                hits.setdefault(str(path.relative_to(folder)), []).append(name)
    return hits


def test_the_search_finds_what_is_planted_in_the_clear(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(EVERYTHING)
    assert set(found_in(tmp_path)["file"]) >= {
        "github",
        "openai",
        "anthropic",
        "aws",
        "stripe",
        "slack",
        "password",
        "pem",
    }


def test_no_secret_reaches_the_spool(tmp_path: Path) -> None:
    with flightlog.open(tmp_path, drain=False) as rec:
        plant(rec)
        assert rec.health().withheld == 0
        assert rec.health().redacted >= 12
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.seg")) > 10_000
    assert found_in(tmp_path) == {}


def test_no_secret_reaches_the_database_its_wal_or_an_answer(tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        with flightlog.open(tmp_path, drain=False) as rec:
            plant(rec)
            assert rec.flush(timeout=30)
        posted: dict[str, Any] = {
            "type": "note",
            "run_id": "posted",
            "name": TOKENS[0],
            "payload": {"text": EVERYTHING},
        }
        answer = httpx.post(f"{served.url}/api/events", json={"events": [posted]}, timeout=30)
        assert answer.status_code == 200, answer.text
        refused = httpx.post(
            f"{served.url}/api/events", json={"events": [{**posted, "type": f"bad {TOKENS[0]}"}]}, timeout=30
        )
        assert refused.status_code == 422
        assert (tmp_path / "flightlog.db-wal").stat().st_size > 0
        assert found_in(tmp_path) == {}, "while the server runs, with its WAL"
        everything = httpx.get(f"{served.url}/api/events?limit=1000", timeout=30).text
        assert not [name for name, secret in SECRETS.items() if secret in everything]
        served.process.terminate()
        served.process.wait()
    assert found_in(tmp_path) == {}, "after the server"


def test_equal_secrets_can_be_recognised_across_processes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        done = cli("exec", "--dir", str(tmp_path), "--", "echo", SECRETS["github"])
        assert done.returncode == 0, name
    shown = cli("events", "--dir", str(tmp_path), "--type", "exec_result", "--json").stdout
    marks = {part.split("]")[0] for part in shown.split("[REDACTED:")[1:]}
    assert len(marks) == 1, marks

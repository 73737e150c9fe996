"""What does keeping secrets out cost? Our one scan and our close look, against the same rules searched one by one with `re`.

python bench/redact.py [--seconds 0.3]
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from flightlog.recorder.redact import RULES, Redactor
from flightlog.recorder.redaction.compiled import engine
from flightlog.recorder.rules import names
from lib.table import print_table

PROSE = (
    "Please look at the failing test in tests/test_login.py and say which function fails. The traceback points to line 42: "
    "one of the two datetimes is naive, the other one aware. "
)
CODE = (
    "def total(items: list[int]) -> int:\n    result = 0\n    for item in items:\n        result += item  # all of them\n"
    "    return result\n\n\nclass Basket:\n    def __init__(self, owner: str) -> None:\n        self.owner = owner\n\n"
)
USAGE = {"input_tokens": 1204, "output_tokens": 88, "cached_input_tokens": 1024, "max_tokens": 4096}


def event(text: str, size: int, secret: str = "") -> bytes:
    """An event of about this size in bytes, with a secret in the middle of its text."""
    body = (text * (size // len(text) + 1))[: size - 170]
    middle = len(body) // 2
    payload = {"content": body[:middle] + secret + body[middle:], "usage": USAGE}
    return json.dumps({"event_id": "0197a3c4-5b6d-7e8f-9a0b-1c2d3e4f5a6b", "payload": payload}).encode()


def micros(call: Callable[[], object], seconds: float) -> float:
    """The median cost of a call: runs of calls, so that the clock does not count."""
    call()
    start = time.perf_counter()
    call()
    count = max(1, int(0.002 / max(time.perf_counter() - start, 1e-7)))
    taken = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(taken) < 3:
        start = time.perf_counter()
        for _ in range(count):
            call()
        taken.append((time.perf_counter() - start) / count)
    return sorted(taken)[len(taken) // 2] * 1e6


def one_by_one() -> Callable[[bytes], bool]:
    """All our patterns, each searched for by itself, as most tools do it."""
    patterns = [pattern for rule in RULES for pattern in rule.patterns]
    patterns += [named.pattern for named in (*names.structure(), *names.text())]
    compiled = [re.compile(pattern.encode("latin-1")) for pattern in patterns]
    return lambda data: sum(pattern.search(data) is not None for pattern in compiled) > 0


def standard_library() -> Iterator[bytes]:
    """Real text that does not repeat: the standard library, 4 KB a piece."""
    for path in sorted(Path(json.__file__).parents[1].glob("*.py")):
        text = path.read_text("utf-8", "replace")
        for start in range(0, len(text), 4_000):
            yield json.dumps({"event_id": "e1", "payload": {"text": text[start : start + 4_000]}}).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.3, help="how long each figure is measured")
    seconds = parser.parse_args().seconds

    engine.cache_clear()
    start = time.perf_counter()
    redactor = Redactor(digest_key=b"bench")
    compiled_ms = (time.perf_counter() - start) * 1e3
    by_re = one_by_one()
    token = next(rule for rule in RULES if rule.name == "github").secret()
    rows = []
    for label, text, size, secret in (
        ("prose, clean, 1 KB", PROSE, 1_024, ""),
        ("prose, clean, 8 KB", PROSE, 8_192, ""),
        ("code, clean, 1 KB", CODE, 1_024, ""),
        ("code, clean, 8 KB", CODE, 8_192, ""),
        ("one token, 1 KB", PROSE, 1_024, f" {token} "),
        ("one token, 8 KB", PROSE, 8_192, f" {token} "),
        ("password=…, 1 KB", CODE, 1_024, "\npassword = 'correct horse'\n"),
        ("password=…, 8 KB", CODE, 8_192, "\npassword = 'correct horse'\n"),
    ):
        data = event(text, size, secret)
        assert redactor.hits(data) == bool(secret)
        assert redactor.redact(data).count == bool(secret)
        kilobytes = len(data) / 1_024
        scan = micros(lambda data=data: redactor.hits(data), seconds)
        look = micros(lambda data=data: redactor.redact(data), seconds) if secret else 0.0
        other = micros(lambda data=data: by_re(data), seconds)
        rows.append(
            (
                label,
                f"{scan:.2f}",
                f"{scan / kilobytes:.2f}",
                f"{look:.0f}" if look else "",
                f"{(scan + look) / kilobytes:.1f}",
                f"{other / kilobytes:.0f}",
                f"{other / (scan + look):.0f} x",
            )
        )
    pieces = [piece for piece in standard_library() if not redactor.hits(piece)]
    total = sum(len(piece) for piece in pieces) / 1_024
    for label, scanner in (("first time", Redactor(keys=["bench"])), ("second time", redactor)):
        start = time.perf_counter()
        for piece in pieces:
            scanner.hits(piece)
        taken = (time.perf_counter() - start) * 1e6
        each = taken / len(pieces)
        rows.append(
            (f"{total / 1_024:.0f} MB of source, {label}", f"{each:.2f}", f"{taken / total:.2f}", "", "", "", "")
        )
    print_table(
        "Redaction, microseconds",
        ("event", "scan", "scan a KB", "close look", "ours a KB", "`re`, rule by rule, a KB", "`re` / ours"),
        rows,
        [
            f"{len(RULES)} rules; the first Redactor compiles in {compiled_ms:.1f} ms, the next ones share it.",
            "The `re` side only searches: it reads no escapes, replaces nothing and checks nothing.",
        ],
    )


if __name__ == "__main__":
    main()

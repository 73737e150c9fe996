"""Sensitive names, and the patterns and triggers around them: `"password": "…"`, `TOKEN=…`, `--api-key …`.

A name is sensitive by how it ends, whatever stands before it: `password`, `dbPassword`, `SMTP_PASSWORD`, `x-api-key`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from flightlog.recorder.rules.rule import BARE_VALUE, ODD_ESCAPE, QUOTE, QUOTED_VALUE, SPACE, unmarked

_KEY_OF = (
    "api|access|private|secret|signing|encryption|decryption|account|auth|ssh|master|storage|shared|consumer|hmac|"
    "webhook|license|subscription|app|application|admin|session|deploy|cron|jwt|sas"
)
_OWNERS = "db|smtp|mail|email|user|admin|root|sudo|mysql|pg|postgres|redis|mongo|ftp|ssh|http|auth|basic|login|key|cert"

NAMES = (
    "pass(?:word|wd|phrase|code)s?",
    "pwd",
    f"(?:{_OWNERS})[ _.-]?pass",
    "secrets?",
    "credentials?",
    "authorization",
    "cookies?",
    "token",
    f"(?:{_KEY_OF})[ _.-]?keys?",
)
# What may follow a sensitive name without making it harmless.
_SUFFIX = (
    "(?:[ _.-]?(?:value|hash|plain|raw|text|string|b64|base64|base|old|new|current|confirm(?:ation)?|[0-9]{1,2}))?"
)
# Names that are sensitive only as the whole key of a string.
WHOLE = "session|jwt|bearer|otp|pass"

# Words before `token` that make it a count, a place in a list or a symbol of a model's vocabulary.
HARMLESS_TOKEN = re.compile(
    rb"(?i)(?:^|[^a-z])(?:max|min|num|n|nb|per|total|count|input|output|prompt|completion|reasoning|cached?|thinking|"
    rb"context|avg|mean|eos|bos|pad|unk|unknown|sep|cls|mask|stop|start|end|special|image|audio|text|next|prev|previous|"
    rb"page|nextpage|next_page|continuation|first|last|current|this|each|one|single|by|logit|top|draft)[ _.-]?token$"
)


class Pattern(NamedTuple):
    """One way to find the value of a sensitive name. `rule` is the name of the rule it belongs to."""

    rule: str
    pattern: str
    judge: str
    run: re.Pattern[bytes] | None = None


def any_name(extra: tuple[str, ...], *, but: str = "") -> str:
    """A pattern for all sensitive names, the caller's included, with what may follow them."""
    known = (name for name in NAMES if name != but)
    return "(?i:(?:" + "|".join((*known, *(_separable(name) for name in extra))) + f"){_SUFFIX})"


def _separable(name: str) -> str:
    """A caller's key, whatever its case and separators: `customerRef` is also `customer_ref` and `Customer-Ref`."""
    letters = [b"%c" % byte for byte in normal(name.encode())]
    return "[ _.-]?".join(re.sub(r"([^A-Za-z0-9])", r"\\\1", b.decode("latin-1")) for b in letters)


def normal(name: bytes) -> bytes:
    """A key without case and separators."""
    return re.sub(rb"[ _.\-]", b"", name).lower()


_STRING = r"((?:[^\x22\\]|\\(?s:.))+)"  # what stands between double quotes
# The same in code, on one line; in backticks on more.
_DOUBLE, _SINGLE = r"\x22((?:[^\x22\\\n]|\\(?s:.))+)", r"'((?:[^'\\\n]|\\(?s:.))+)"
_BACKTICK = r"\x60((?:[^\x60\x22\\]|\\(?s:.))+)"
# A value without quotes: its first letter, and how it goes on. In NAME=value of an environment more letters belong to it.
# Backslashes belong to it where a letter follows that they can't escape: in `TOKEN=a\\\"` they belong to the quote.
_BARE = r"[^\s\x22'\x60\\,;&<>(){}|\[\]]|\\+[^\\\s\x22'\x60nrtfu]"
_ENV = r"[^\s\x22'\x60\\,;&]|\\+[^\\\s\x22'\x60nrtfu]"
_WORD = r"[^\s\x22'\x60\\;&|]"
_BARE_RUN, _ENV_RUN, _WORD_RUN = (re.compile(f"(?:{letter})+".encode()) for letter in (_BARE, _ENV, _WORD))
_IS = r"\s*(?::=|=>|[:=])\s*"
_HEADERS = "(?i:[a-z0-9-]*(?:authorization|cookie|api-?key|token|secret))"


def structure(extra: tuple[str, ...] = ()) -> tuple[Pattern, ...]:
    """How JSON itself shows a secret. These hold across the strings of an event, so they know double quotes only."""
    name = any_name(extra)
    return (
        Pattern("sensitive-key", rf"{name}\x22\s*:\s*\x22{_STRING}", "key"),
        Pattern("sensitive-key", rf"{name}\x22\s*:\s*([\[{{])", "container"),
        Pattern("sensitive-key", rf"\x22(?i:{WHOLE})\x22\s*:\s*\x22{_STRING}", ""),
        Pattern(
            "sensitive-key",
            rf"\x22(?i:name|key|header|field)\x22\s*:\s*\x22[^\x22\\]*{name}\x22\s*,\s*\x22(?i:value)\x22\s*:\s*\x22{_STRING}",
            "key",
        ),
        Pattern("sensitive-key", rf"[\[(]\s*\x22{_HEADERS}\x22\s*,\s*\x22{_STRING}", "pair"),
        Pattern(
            "command-line", rf"\x22--[A-Za-z0-9_-]*{name}\x22\s*,\s*\x22([^\x22\\-](?:[^\x22\\]|\\(?s:.))*)", "argument"
        ),
        Pattern("command-line", r"\x22(?:-u|-U|--user|--proxy-user)\x22\s*,\s*\x22[^\x22\\:]+:" + _STRING, "curl"),
    )


def text(extra: tuple[str, ...] = ()) -> tuple[Pattern, ...]:
    """How free text shows a secret: code, configuration, logs, dumps, command lines."""
    name = any_name(extra)
    flag = rf"--[A-Za-z0-9_-]*{name}(?:\s+|=)"
    typed = r"(?:\s*:\s*[A-Za-z_.\[\], |]+)?"
    quote = r"[\x22']?"
    named = (
        rf"(?i:name|key){quote}\s*[:=]\s*{quote}[A-Za-z0-9_.\[\]-]*{name}{quote},?\s*{quote}(?i:value){quote}\s*[:=]\s*"
    )
    return (
        Pattern("command-line", rf"{flag}{_DOUBLE}", "template"),
        Pattern("command-line", rf"{flag}{_SINGLE}", "template"),
        Pattern("command-line", rf"{flag}([^\s\x22'\x60\\-])", "bare", _WORD_RUN),
        Pattern(
            "command-line",
            r"(?:^|[\s\x22'])(?:-u|-U|--user|--proxy-user)(?:\s*|=)[\x22']?[^\s:\x22'\\]+:([^\s\x22'\\]+)",
            "curl",
        ),
        Pattern("command-line", r"\b(?:sshpass)\s+-p\s*[\x22']?([^\s\x22'\\]+)", "template"),
        Pattern("sensitive-key", rf"{name}[\x22']\s*(?::|=>)\s*[bBuUrR]{{0,2}}{_DOUBLE}", "key"),
        Pattern("sensitive-key", rf"{name}[\x22']\s*(?::|=>)\s*[bBuUrR]{{0,2}}{_SINGLE}", "key"),
        Pattern("sensitive-key", rf"[\[(]\s*b?'{_HEADERS}'\s*,\s*b?{_SINGLE}", "pair"),
        Pattern("assignment", rf"{name}(?:[\x22']?\])?{typed}{_IS}[bBrRuUfF]{{0,2}}{_DOUBLE}", "quoted"),
        Pattern("assignment", rf"{name}(?:[\x22']?\])?{typed}{_IS}[bBrRuUfF]{{0,2}}{_SINGLE}", "quoted"),
        Pattern("assignment", rf"{name}{_IS}{_BACKTICK}", "quoted"),
        Pattern("assignment", rf"{named}{_DOUBLE}", "quoted"),
        Pattern("assignment", rf"{named}{_SINGLE}", "quoted"),
        Pattern("assignment", rf"{named}({_BARE})", "bare", _BARE_RUN),
        Pattern("assignment", rf"{name}=({_ENV})", "environment", _ENV_RUN),
        Pattern("assignment", rf"{name}(?:[\x22']?\])?{_IS}({_BARE})", "bare", _BARE_RUN),
    )


def triggers(extra: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What the fast scan looks for: all that `structure` and `text` find must be hit, at any level of escaping."""
    name = any_name(extra)
    gap = rf"(?:{SPACE}|{QUOTE}|>|\\+u003[eE])*"
    sign = r"(?:[:=]|\\+u003[aAdD])"
    pause = rf"(?:{SPACE}|>|\\+u003[eE])*"
    value = rf"{pause}(?:{BARE_VALUE}|[bBrRuUfF]{{0,2}}{QUOTE}{gap}{QUOTED_VALUE})"
    quoted_key = rf"(?:{QUOTE})+{SPACE}*{sign}{pause}(?:[bBrRuU]{{0,2}}{QUOTE}{gap}{QUOTED_VALUE}|[{{]|\[)"
    assigned = rf"(?:{QUOTE}*\])?{SPACE}*{sign}{value}"
    valued = rf"{QUOTE}*{SPACE}*,?{SPACE}*{QUOTE}*(?i:value){QUOTE}*{SPACE}*{sign}"
    most = any_name(extra, but="authorization")
    # `Authorization: Bearer [REDACTED:…]`: the scheme stays, so it alone must not count as a value.
    scheme = rf"[A-Za-z0-9-]+(?:{SPACE}+{gap}{BARE_VALUE}|[^A-Za-z0-9\s-])"
    signed = r"(?:[^A-Za-z0-9\s\x22'\x60\\>\[-]|\\+[^nrtf\x22'\x60\\]|" + unmarked(r"\s\x22'\x60;", "nrtfu") + ")"
    return (
        rf"{most}{assigned}",
        rf"{name}(?:{quoted_key}|{valued})",
        rf"(?i:authorization)(?:{QUOTE})*{SPACE}*{sign}{gap}(?:{scheme}|{signed})",
        rf"{QUOTE}(?i:{WHOLE}){QUOTE}+{SPACE}*{sign}{SPACE}*{QUOTE}{gap}{QUOTED_VALUE}",
        rf"--[A-Za-z0-9_-]*{name}(?:{SPACE}+|{QUOTE}+{SPACE}*,{SPACE}*{QUOTE}{gap}){value}",
        rf"(?i:authorization|cookie|api-?key|token|secret){QUOTE}+{SPACE}*,{SPACE}*b?{QUOTE}+{QUOTED_VALUE}",
        rf"(?:{SPACE}|{QUOTE})(?:-u|-U|--user|--proxy-user)(?:{SPACE}|{QUOTE}|[,=])*[^\s\x22':]+(?::|\\+u003[aA])",
        rf"sshpass{SPACE}+-p",
        rf"\\{ODD_ESCAPE}",
    )

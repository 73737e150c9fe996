"""The last word on a match, where a pattern alone can't tell a secret from code or prose.

A judge gets the text, where the match begins, and the span of what would be redacted. Judges look at a bounded
neighbourhood, so that the whole stays linear.
"""

from __future__ import annotations

import binascii
import re

from flightlog.recorder.redaction.finder import Judge
from flightlog.recorder.rules.names import HARMLESS_TOKEN

_NEAR = 64  # bytes looked at on either side
_FAR = 2_000  # bytes looked back for the command that an option belongs to

# What stands for a value and is none: ${VAR}, $VAR, {{ var }}, {var}, <your token>, %(var)s, %s, ***, ...
_TEMPLATE = re.compile(
    rb"\$?\{.*\}|\$\(?[A-Za-z_][A-Za-z0-9_]*\)?|<[^>]*>|%\([^)]*\)s|%[sdr]|[*.xX]+|\[[A-Z_ ]+\]", re.DOTALL
)
_WORDS = re.compile(rb"[A-Za-z_]+")
_DOTTED = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
_SENSITIVE_WORD = re.compile(
    rb"(?i)pass|pwd|pw|secret|token|key|cred|auth|cookie|hash|env|config|settings|value|param|arg"
)
_LITERALS = frozenset(
    b"none null nil undefined true false str string bytes bytearray int integer float bool boolean any text char varchar "
    b"object list dict tuple optional self this type required include omit same-origin secretstr uuid number".split()
)
_PASSWORD_NAME = re.compile(rb"(?i)pass(?:word|wd|phrase|code|)s?[0-9]*$|pwd$")
_CODE_AFTER_QUOTE = re.compile(rb"\s*[+,)\]};%.:]|\s+(?:in|if|and|or|else|not|is|for|as)\b")
_AFTER, _AFTER_JOINED = re.compile(rb"[ \t]*(?:[\r\n;\"'&\\]|$)"), re.compile(rb"[\s;\"'&\\]|$")
_SCHEME = re.compile(rb"[A-Za-z0-9-]\s+$")
_IDENTIFIERS = re.compile(rb"[A-Za-z0-9_.-]+")
_IDENTIFIER = re.compile(rb"\"?[A-Za-z0-9_.\- ]*")
_IDENTIFIER_END = re.compile(rb"[A-Za-z0-9_.-]*$")
_LOGPROB_BEFORE = re.compile(rb'"logprob"\s*:\s*[-0-9.eE+]+\s*,\s*"token"\s*:\s*"$')
_LOGPROB_AFTER = re.compile(rb'"\s*,\s*"(?:logprob|bytes)"\s*:')


def name_of(text: bytes, begin: int, start: int) -> bytes:
    """The whole name whose value starts here; the match may begin in the middle of it.

    >>> name_of(b"export DB_PASSWORD=x", 10, 19)
    b'DB_PASSWORD'
    """
    matched = text[begin : min(start, begin + 4 * _NEAR)]
    words = _IDENTIFIERS.findall(matched)
    if len(words) > 1 and words[-1].lower() == b"value":
        return bytes(words[-2])
    before = _IDENTIFIER_END.search(text[max(begin - _NEAR, 0) : begin])
    after = _IDENTIFIER.match(matched)
    return ((before[0] if before else b"") + (after[0] if after else b"")).strip(b" -")


def is_template(value: bytes) -> bool:
    """Whether a value stands for another: `${TOKEN}`, `<your key>`, `***`.

    >>> is_template(b"${DB_PASSWORD}"), is_template(b"hunter2")
    (True, False)
    """
    return len(value) <= 4 * _NEAR and _TEMPLATE.fullmatch(value) is not None


def _not_template(text: bytes, begin: int, start: int, end: int) -> bool:
    return not is_template(text[start:end])


def _harmless_name(text: bytes, begin: int, start: int) -> bool:
    return HARMLESS_TOKEN.search(name_of(text, begin, start)) is not None


def _key(text: bytes, begin: int, start: int, end: int) -> bool:
    """A string under a sensitive key of an object. Counts and a model's vocabulary are no secrets."""
    if _harmless_name(text, begin, start):
        return False
    if text[begin : begin + 5].lower() == b"token":
        near = text[max(start - _NEAR, 0) : start]
        return not (_LOGPROB_AFTER.match(text, end) or _LOGPROB_BEFORE.search(near))
    return True


def _quoted(text: bytes, begin: int, start: int, end: int) -> bool:
    """A value in quotes, in code. In `ask("Password:") + x` the quote after the name closes, and code comes after it."""
    value = text[start : min(end, start + 4 * _NEAR)]
    return not (is_template(value) or _CODE_AFTER_QUOTE.match(value) or _harmless_name(text, begin, start))


def _bare(text: bytes, begin: int, start: int, end: int) -> bool:
    """A value without quotes, in code or prose: no type, no name of something else, no call."""
    value = text[start:end].rstrip(b".:!?")
    if not value or value.lower() in _LITERALS or is_template(value) or value[:1] in b"=$%<-|":
        return False
    if text[end : end + 1] in (b"(", b"[", b"{", b"<") and text[end : end + 10] != b"[REDACTED:":
        return False
    if _DOTTED.fullmatch(value) or _harmless_name(text, begin, start):
        return False
    password = _PASSWORD_NAME.search(name_of(text, begin, start)) is not None
    if b"/" in value[:2] and password and value[:1] in b"/~.":
        return False
    if _WORDS.fullmatch(value):
        joined = text[start - 1 : start] == b"="
        alone = (_AFTER_JOINED if joined else _AFTER).match(text[end : end + _NEAR]) is not None
        return password and alone and not _SENSITIVE_WORD.search(value) and b"_" not in value
    return len(value) >= 4 and not (_SENSITIVE_WORD.search(value) and re.fullmatch(rb"[A-Za-z_][A-Za-z0-9_]*", value))


def _environment(text: bytes, begin: int, start: int, end: int) -> bool:
    """NAME=value in capitals is a variable of the environment: nearly every value counts."""
    name, value = name_of(text, begin, start), text[start:end]
    if name != name.upper() or not name:
        return False
    if name in (b"PWD", b"OLDPWD") or is_template(value) or value.lower() in _LITERALS or value[:1] in b"$=":
        return False
    return not _harmless_name(text, begin, start)


def _value(text: bytes, begin: int, start: int, end: int) -> bool:
    """The value of an Authorization header. Without a scheme before it, a mere name is more likely code."""
    value = text[start:end]
    if _SCHEME.search(text[max(start - _NEAR, begin) : start]):
        return not is_template(value)
    if is_template(value) or b"{" in value[:1]:
        return False
    return not (_WORDS.fullmatch(value) or _DOTTED.fullmatch(value)) or text[end : end + 1] in (b"\r", b"\n", b"")


def _argument(text: bytes, begin: int, start: int, end: int) -> bool:
    """The word after an option in a list of words; not when that word is itself a key of an object."""
    return re.match(rb'"\s*:', text[end : end + _NEAR]) is None and not is_template(text[start:end])


def _pair(text: bytes, begin: int, start: int, end: int) -> bool:
    """The second of two strings in a list, after the name of a header. A list of names is not such a pair."""
    value = text[start:end]
    return len(value) >= 8 and re.search(rb"[0-9 ]", value) is not None and not is_template(value)


def _curl(text: bytes, begin: int, start: int, end: int) -> bool:
    """-u name:password, of a command that takes one so; `docker run -u 1000:1000` does not."""
    command = re.search(rb"(?i)\b(?:curl|wget|https?|xh|lftp|ldapsearch)\b", text[max(start - _FAR, 0) : start])
    return command is not None and not text[start:end].isdigit() and not is_template(text[start:end])


def _digits(text: bytes, begin: int, start: int, end: int) -> bool:
    value = text[start:end]
    return len(value) >= 24 or (len(value) >= 8 and re.search(rb"[0-9]", value) is not None)


def _mixed(text: bytes, begin: int, start: int, end: int) -> bool:
    """A short prefix needs more to be believed: digits among the letters, as in anything made by chance."""
    return len(re.findall(rb"[0-9]", text[start : min(end, start + 4 * _NEAR)])) >= 2


def _basic(text: bytes, begin: int, start: int, end: int) -> bool:
    """Base64 that says name:password."""
    value = text[start:end].rstrip(b"=")
    try:
        said = binascii.a2b_base64(value[: len(value) // 4 * 4])
        return b":" in binascii.a2b_base64(value + b"=" * (-len(value) % 4)) and said.decode("utf-8").isprintable()
    except (binascii.Error, ValueError):
        return False


_KEY_LINE = re.compile(rb"[A-Za-z0-9+/=]{20}")


def _key_block(text: bytes, begin: int, start: int, end: int) -> bool:
    """There is base64 in it; code and prose only name the first line."""
    first = text.find(b"KEY", start, end) + 3
    return _KEY_LINE.search(text, first if first > 2 else start, end) is not None


JUDGES: dict[str, Judge] = {
    "template": _not_template,
    "key": _key,
    "quoted": _quoted,
    "bare": _bare,
    "environment": _environment,
    "value": _value,
    "argument": _argument,
    "pair": _pair,
    "curl": _curl,
    "digits": _digits,
    "mixed": _mixed,
    "basic": _basic,
    "key-block": _key_block,
}

_PIECE = re.compile(rb'"((?:[^"\\]|\\.)*)"?(\s*:)?|[{}\[\]]', re.DOTALL)
_SCHEMA_TYPES = frozenset(b"string number integer boolean array object null".split())
_SCHEMA_WORDS = frozenset(b"type title description format pattern $ref $schema $comment".split())
_SCHEMA_KEYS = frozenset(b"$ref anyof oneof allof enum properties items".split())


def strings_under(text: bytes, start: int) -> tuple[list[tuple[int, int]], int]:
    """The strings in the list or object that starts here, as spans, and where it ends.

    The description of a parameter called `password` in a tool's JSON Schema is not a password: of such an object the
    words that every schema has are left.
    """
    found: list[tuple[int, int, bytes]] = []
    keys_of_first: dict[bytes, bytes] = {}
    depth, key, end = 0, b"", len(text)
    for piece in _PIECE.finditer(text, start):
        mark = piece[0]
        if mark in (b"{", b"["):
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
            if depth == 0:
                end = piece.end()
                break
        elif piece[2] is not None:
            key = piece[1].lower()
            if depth == 1:
                keys_of_first[key] = b""
        else:
            if depth == 1 and key in keys_of_first:
                keys_of_first[key] = piece[1]
            if piece[1]:
                found.append((*piece.span(1), key))
    schema = keys_of_first.get(b"type", b"") in _SCHEMA_TYPES or not _SCHEMA_KEYS.isdisjoint(keys_of_first)
    return [(a, b) for a, b, under in found if not (schema and under in _SCHEMA_WORDS)], end

"""What a rule is, and how one is made from a line of the token table.

Nothing in these files looks like a real credential: `Rule.secret()` builds a made-up one when asked.
"""

from __future__ import annotations

import re
from hashlib import shake_128
from typing import NamedTuple

# Classes of letters, as RE2 spells them. The table may also spell one out.
CLASSES = {
    "alnum": "A-Za-z0-9",
    "alpha": "A-Za-z",
    "upper": "A-Z0-9",
    "lower": "a-z0-9",
    "word": "A-Za-z0-9_",
    "url": "A-Za-z0-9_-",
    "hex": "0-9a-f",
    "digit": "0-9",
    "base64": "A-Za-z0-9+/",
    "bech32": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
}

# How a sign may look once JSON has escaped it, any number of times. Triggers see encoded text, so they need these.
SLASH = r"(?:\\*/|\\+u002[fF])"
EQUALS = r"(?:=|\\+u003[dD])"
QUOTE = r"(?:\\*[\x22'\x60]|\\+u00(?:22|27|60))"
SPACE = r"(?:[ \t\r\n\f]|\\+[nrtf]|\\+u00(?:09|0[aAcCdD]|20))"
# A sign that no encoder escapes: all but quotes, `&`, `+`, `/`, `<`, `=`, `>`. Escaped, it could hide anything from a scan.
ODD_ESCAPE = r"u00(?:2[013-589acdeACDE]|3[0-9abfABF]|[46][1-9a-fA-F]|40|5[0-9a-fA-F]|7[0-9a-eA-E])"


# Where a word begins. Few triggers can afford it: it doubles what a scan has to remember.
EDGE = r"(?:^|[^A-Za-z0-9_]|\\[bfnrt]|\\u[0-9a-fA-F]{4})"


class Run(NamedTuple):
    """`least` to `most` letters of one class."""

    letters: str
    least: int
    most: int | None

    @property
    def pattern(self) -> str:
        if self.most == self.least:
            return f"[{self.letters}]{{{self.least}}}"
        return f"[{self.letters}]{{{self.least},{'' if self.most is None else self.most}}}"


Part = Run | tuple[str, ...]


class Rule(NamedTuple):
    """One credential format. `source` is where its owner documents it.

    Each pattern (RE2 over bytes) has exactly one group: the secret. A trigger is what the one fast scan of an encoded
    event looks for; it may fire too often, never too seldom. A `hard` rule has a prefix that nothing else starts with,
    and holds even in the ids of an event. `judge` names the function that has the last word on a match.
    """

    name: str
    finds: str
    source: str
    patterns: tuple[str, ...]
    triggers: tuple[str, ...]
    parts: tuple[Part, ...]
    hard: bool = False
    judge: str = ""
    before: str = ""
    after: str = ""

    def spelled(self) -> list[tuple[Part, str]]:
        """Each part with its pattern."""
        return [(part, _pattern(part)) for part in self.parts]

    def secret(self, seed: int = 0) -> str:
        """A made-up secret in this format."""
        return "".join(_made(part, f"{self.name}/{seed}/{i}") for i, part in enumerate(self.parts))

    def example(self, seed: int = 0) -> str:
        """A text with such a secret in it, and the words around it that the rule needs."""
        return self.before + self.secret(seed) + self.after


def parse_parts(line: str) -> tuple[Part, ...]:
    """The parts of a format: words (alternatives apart by `|`) and runs such as `{hex 32}`, `{hex 32+}`, `{url 6-9}`.

    >>> parse_parts("ghp_|gho_ {alnum 36+}")
    (('ghp_', 'gho_'), Run(letters='A-Za-z0-9', least=36, most=None))
    """
    parts: list[Part] = []
    for run, word in re.findall(r"\{([^}]+)\}|(\S+)", line):
        if word:
            parts.append(tuple(word.split("|")))
            continue
        letters, _, count = run.rpartition(" ")
        least, dash, most = count.rstrip("+").partition("-")
        limit = None if count.endswith("+") else int(most if dash else least)
        parts.append(Run(CLASSES.get(letters, letters), int(least), limit))
    return tuple(parts)


def parse_tokens(table: str) -> tuple[Rule, ...]:
    """The rules of a table such as `tokens.TOKENS`."""
    return tuple(_parse_token(block) for block in re.split(r"\n(?=\S)", table.strip()))


def _parse_token(block: str) -> Rule:
    head, *rest = (line.strip() for line in block.splitlines())
    found = re.fullmatch(r"([a-z0-9-]+): (.+?)(?: \[([a-z ]+)\])?", head)
    if found is None:
        raise ValueError(f"not the first line of a rule: {head}")
    name, finds, flags = found[1], found[2], (found[3] or "").split()
    source = rest.pop()
    scans = [line.removeprefix("scan ") for line in rest if line.startswith("scan ")]
    parts = parse_parts(" ".join(line for line in rest if not line.startswith("scan ")))
    edge = "edge" in flags
    last = parts[-1]
    ends = r"\b" if isinstance(last, Run) and last.most is not None else ""
    return Rule(
        name,
        finds,
        source,
        patterns=((r"\b" if edge else "") + "(" + "".join(_pattern(part) for part in parts) + ")" + ends,),
        triggers=tuple(EDGE + scan[5:] if scan.startswith("edge ") else scan for scan in scans) or (_trigger(parts),),
        parts=parts,
        hard="soft" not in flags,
        judge=next((flag for flag in flags if flag not in ("edge", "soft")), ""),
    )


def _pattern(part: Part) -> str:
    if isinstance(part, Run):
        return part.pattern
    words = [re.sub(r"([^A-Za-z0-9_])", r"\\\1", word) for word in part]
    return words[0] if len(words) == 1 else "(?:" + "|".join(words) + ")"


def _trigger(parts: tuple[Part, ...]) -> str:
    """The prefix and a few letters: enough to be rare, no more than the scan has to remember.

    Letters that JSON may escape (`/`, and `+` or `=` by some encoders) end what can be counted.
    """
    made = ""
    for part in parts:
        if isinstance(part, Run) and "+" in part.letters:
            safe = "[A-Za-z0-9_-]"
            return made + rf"(?:{safe}{{8}}|{safe}{{0,7}}[+/=\\])"
        if isinstance(part, Run) and part.least > 8:
            return made + f"[{part.letters}]{{8}}"
        made += _pattern(part)
    return made


def unmarked(ends: str, escaped: str = "") -> str:
    """A pattern for how a value may begin with `[` and be no earlier redaction, which ends before one of `ends`, and
    before a backslash with one of `ends` or `escaped` behind it.

    `[REDACTED:rule:1a2b3c4d]` must not be found again, and nothing may hide behind something that only looks like it.
    """
    behind = rf"[^{ends}\\]|\\+[^{ends}{escaped}\\]"
    hexes = f"(?:[0-9a-f]{{0,7}}[^0-9a-f]|[0-9a-f]{{8}}(?:[^\\]]|\\](?:{behind})))"
    made = f"(?:[a-z0-9-]*[^a-z0-9:-]|:|[a-z0-9-]+:{hexes})"
    for letter in reversed("REDACTED:"):
        made = f"(?:[^{letter}]|{letter}{made})"
    return r"\[" + made


def letters_of(spelled: str) -> str:
    """All letters of a class.

    >>> letters_of("a-f_-")
    'abcdef_-'
    """
    ranges = re.findall(r"(.)-(.)", spelled)
    listed = "".join(chr(code) for first, last in ranges for code in range(ord(first), ord(last) + 1))
    return listed + re.sub(r".-.", "", spelled)


def _made(part: Part, seed: str) -> str:
    if isinstance(part, Run):
        letters = letters_of(part.letters)
        return "".join(letters[byte % len(letters)] for byte in shake_128(seed.encode()).digest(part.least))
    return part[shake_128(seed.encode()).digest(1)[0] % len(part)]


# How a value begins that is no earlier redaction: without quotes, and between them.
_VALUE = r"(?:[^\s\x22'\x60\\>\[]|{}|\\+[^nrtf\x22'\x60\\])"
BARE_VALUE = _VALUE.format(unmarked(r"\s\x22'\x60;", "nrtfu"))
QUOTED_VALUE = _VALUE.format(unmarked(r"\x22'\x60"))

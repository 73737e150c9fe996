"""The page about the format: its vectors are what the code makes, its table of findings is the code's."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path

from flightlog.seal.leaf import REST, leaf_of, payload_digest, read_leaf
from flightlog.seal.merkle import leaf_hash, root_of
from flightlog.seal.verify import KINDS

PAGE = (Path(__file__).parents[2] / "docs/reference/seal.md").read_text("utf-8")
VECTORS = dict(re.findall(r"^\| ([a-z ]+) \| `(.+)` \|$", PAGE.split("### Test vectors")[1], re.MULTILINE))


def test_the_vectors_of_the_page_are_what_the_code_makes() -> None:
    salt = bytes.fromhex(VECTORS["salt"])
    rest = json.loads(VECTORS["rest of the envelope"])
    header = [7, "e000007", 1_700_000_007_000_000_000, 1_700_000_007_000_000_500, "note", "r1", None, None]
    digest = sha256(VECTORS["payload"].encode()).digest()
    leaf = leaf_of([*header, *rest, digest], salt)
    assert len(rest) == len(REST)
    assert leaf == VECTORS["leaf"].encode()
    assert read_leaf(leaf).payload_digest == payload_digest(salt, digest)
    assert leaf_hash(leaf).hex() == VECTORS["its hash"]
    assert root_of([leaf_hash(leaf)] * 3).hex() == VECTORS["root of a tree of it three times"]


def test_the_page_lists_every_kind_of_finding() -> None:
    table = PAGE.split("### What verify finds")[1].split("## Files")[0]
    listed = dict(re.findall(r"^\| `([a-z_]+)` \| (.+) \|$", table, re.MULTILINE))
    assert listed == KINDS


def test_the_page_names_the_fields_that_the_digest_covers_in_their_order() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| 9 |"))
    assert re.findall(r"`([a-z_]+)`", row) == list(REST)

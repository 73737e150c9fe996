#!/usr/bin/env python3
"""Check this evidence bundle. It needs Python 3.8 or newer, nothing else, and no network.

    python3 verify.py [--key KEY]

It works out every event's leaf from events.jsonl, climbs with proof.json to the root of the whole log, and compares that
with the signed checkpoint. KEY is the log's public key as you got it earlier, by a way that whoever made this bundle does
not control; without it the key in this bundle is believed, which shows only that the bundle agrees with itself.

The exit code is 0 when everything holds, 1 when something does not.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import sys
from typing import Any, Iterator, List, Tuple

HERE = os.path.dirname(os.path.abspath(__file__))
HEADER = ("id", "event_id", "created_at", "received_at", "type", "run_id", "producer_id", "seq")
REST = (
    "project", "name", "level", "source", "actor", "trace_id", "span_id", "parent_span_id", "task_id", "correlation_id",
    "status", "duration_ns", "flags",
)  # fmt: skip


class Wrong(Exception):
    """Something does not hold."""


def path_of(name: str) -> str:
    return os.path.join(HERE, *name.split("/"))


def read(name: str) -> str:
    with open(path_of(name), encoding="utf-8", newline="") as file:
        return file.read()


# Signatures: Ed25519 (RFC 8032) and signed notes (c2sp.org/signed-note).

P = 2**255 - 19
Point = Tuple[int, int, int, int]
Key = Tuple[str, bytes, bytes]
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def with_x(y: int, sign: int) -> Point:
    """The point with this y, in extended coordinates."""
    if y >= P:
        raise Wrong("a point of the signature is out of range")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        raise Wrong("a point of the signature is not on the curve")
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def decoded(data: bytes) -> Point:
    number = int.from_bytes(data, "little")
    return with_x(number & ((1 << 255) - 1), number >> 255)


def added(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(scalar: int, point: Point) -> Point:
    found: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = added(found, point)
        point = added(point, point)
        scalar >>= 1
    return found


BASE = with_x(4 * pow(5, P - 2, P) % P, 0)


def verifies(public: bytes, text: bytes, signature: bytes) -> bool:
    """Whether this is the signature of the text under this key."""
    if len(public) != 32 or len(signature) != 64:
        return False
    scalar = int.from_bytes(signature[32:], "little")
    if scalar >= ORDER:
        return False
    try:
        key, nonce = decoded(public), decoded(signature[:32])
    except Wrong:
        return False
    hashed = int.from_bytes(hashlib.sha512(signature[:32] + public + text).digest(), "little") % ORDER
    left, right = times(scalar, BASE), added(nonce, times(hashed, key))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


def key_of(text: str) -> Key:
    """(name, key id, public key) of a key in the form name+id+base64."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    data = base64.b64decode(encoded)
    if data[:1] != b"\x01" or hashlib.sha256(name.encode() + b"\n" + data).hexdigest()[:8] != key_id:
        raise Wrong(f"not a key: {text!r}")
    return name, bytes.fromhex(key_id), data[1:]


def open_note(note: str, key: Key) -> str:
    """The text of a signed note, if this key signed it."""
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    name, key_id, public = key
    for line in signatures.splitlines():
        dash, said, encoded = [*line.split(" "), "", ""][:3]
        data = base64.b64decode(encoded)
        if dash == "\u2014" and said == name and data[:4] == key_id:
            if verifies(public, text.encode(), data[4:]):
                return text
            raise Wrong(f"a signature of {name} is wrong")
    raise Wrong(f"it is not signed by the key {name}")


def newest_key(first: str, hand_overs: List[str]) -> List[Key]:
    """From the key that is believed to the one that signed the checkpoint, by hand-overs that are signed each by the key before."""
    believed = [key_of(first)]
    for note in hand_overs:
        try:
            text = open_note(note, believed[-1])
        except Wrong:
            if len(believed) > 1:
                raise
            continue  # from before the key that is believed
        version, origin, new = text.split("\n")[:3]
        if version != "flightlog-key/1" or origin != believed[0][0]:
            raise Wrong("a hand-over of keys is of another log")
        believed.append(key_of(new))
    return believed


# Events and the tree (RFC 6962).


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def check_event(line: str) -> Tuple[int, bytes, str]:
    """(index, leaf hash, what became of the payload) of one line of events.jsonl."""
    at = line.index(',"payload":')
    payload = line[at + len(',"payload":') : -1]
    event = json.loads(line)
    leaf = event["leaf"]
    said = json.loads(leaf)
    where = f"event {event['event_id']}"
    if said[0] != "flightlog-leaf/1" or len(said) != 11:
        raise Wrong(f"{where}: its leaf is of an unknown version")
    for name, value in zip(HEADER, said[1:9]):
        if event[name] != value:
            raise Wrong(f"{where}: its {name} is not the one that was sealed")
    if hashlib.sha256(compact([event[name] for name in REST])).hexdigest() != said[9]:
        raise Wrong(f"{where}: its envelope is not the one that was sealed")
    if event["salt"] is None:
        return event["id"] - 1, leaf_hash(leaf.encode()), "erased"
    inner = hashlib.sha256(payload.encode()).digest()
    digest = hmac.new(bytes.fromhex(event["salt"]), inner, "sha256").hexdigest()
    if not hmac.compare_digest(digest, said[10]):
        raise Wrong(f"{where}: its payload is not the one that was sealed")
    return event["id"] - 1, leaf_hash(leaf.encode()), "whole"


def root_over(start: int, end: int, leaves: dict[int, bytes], nodes: dict[str, str]) -> bytes:
    """The hash over the leaves [start, end): from the bundle's own leaves where it has any, else as proof.json gives it."""
    inside = [index for index in leaves if start <= index < end]
    if not inside:
        name = f"{start}:{end}"
        if name not in nodes:
            raise Wrong(f"proof.json lacks the hash over the leaves {name}")
        return bytes.fromhex(nodes[name])
    if end - start == 1:
        return leaves[start]
    half = start + (1 << (end - start - 1).bit_length() - 1)
    low = {index: leaves[index] for index in inside if index < half}
    high = {index: leaves[index] for index in inside if index >= half}
    return node_hash(root_over(start, half, low, nodes), root_over(half, end, high, nodes))


def checkpoint_text(believed: List[Key]) -> str:
    """The text of the checkpoint, if one of these keys signed it."""
    trouble = Wrong("there is no key")
    for key in reversed(believed):
        try:
            return open_note(read("checkpoint"), key)
        except Wrong as wrong:
            trouble = wrong
    raise Wrong(f"the checkpoint: {trouble}")


def add_removed(leaves: dict[int, bytes], expected: int) -> int:
    """Add the leaves of events that retention removed, of which nothing else is left; how many there are."""
    removed = [json.loads(line) for line in read("removed.jsonl").split("\n") if line] if expected else []
    if len(removed) != expected:
        raise Wrong("removed.jsonl has not as many lines as it had")
    for gone in removed:
        said = json.loads(gone["leaf"])
        if said[0] != "flightlog-leaf/1" or said[1] != gone["id"] or gone["id"] - 1 in leaves:
            raise Wrong(f"removed event {gone['id']}: its leaf is of another event")
        leaves[gone["id"] - 1] = leaf_hash(gone["leaf"].encode())
    return len(removed)


def check(trusted: str | None) -> Iterator[str]:
    """Everything; gives lines to print. Raises Wrong."""
    manifest = json.loads(read("manifest.json"))
    for name, digest in manifest["files"].items():
        with open(path_of(name), "rb") as file:
            if hashlib.sha256(file.read()).hexdigest() != digest:
                raise Wrong(f"{name} is not the file that was put into the bundle")
    keys = read("keys.txt").split("\n")
    hand_overs = [read(name) for name in manifest["hand_overs"]]
    believed = newest_key(trusted or keys[0], hand_overs)
    text = checkpoint_text(believed)
    origin, size, root = text.split("\n")[:3]
    leaves: dict[int, bytes] = {}
    erased = 0
    for line in read("events.jsonl").split("\n"):
        if line:
            index, hashed, payload = check_event(line)
            if index in leaves:
                raise Wrong(f"event {index + 1} is there twice")
            leaves[index] = hashed
            erased += payload == "erased"
    if len(leaves) != manifest["events"]:
        raise Wrong(f"there are {len(leaves)} events, and there were {manifest['events']}")
    removed = add_removed(leaves, manifest.get("removed", 0))
    proof = json.loads(read("proof.json"))
    if leaves:
        if max(leaves) >= int(size) or proof["size"] != int(size):
            raise Wrong("the checkpoint does not cover these events")
        if root_over(0, int(size), leaves, proof["nodes"]) != base64.b64decode(root):
            raise Wrong("the events do not lead to the root that was signed")
    yield f"log:        {origin}"
    yield f"checkpoint: {size} events, root {root}"
    yield f"events:     {manifest['events']}, all as they were sealed ({erased} of them without payload: erased)"
    if removed:
        yield f"removed:    {removed} more were there and went by the rules of retention; their leaves are proved"
    yield "key:        " + (
        "the one that you gave" if trusted else "the one in this bundle; compare it with one you kept"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--key", help="the log's public key, as you got it earlier")
    trusted = parser.parse_args().key
    sys.setrecursionlimit(10000)
    try:
        for line in list(check(trusted)):
            print(line)
    except (Wrong, OSError, ValueError, KeyError, TypeError) as error:
        print("DOES NOT HOLD:", error if isinstance(error, Wrong) else f"{type(error).__name__}: {error}")
        return 1
    print("HOLDS")
    return 0


if __name__ == "__main__":
    sys.exit(main())

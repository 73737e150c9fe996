"""The question before the fast path: would msgspec write this exactly as the careful walk does?"""

from __future__ import annotations

from typing import Any

from flightlog.events.payload.clip import TEXT_CHARS_MAX

DEPTH_MAX = 32  # as Settings.payload_depth_max
DEPTH_LIMIT = 100  # some readers of JSON give up at 128 levels, and an envelope is around the payload
NODES_MAX = 20_000  # entries of one payload, in all its lists and objects together
CONTAINER_NODES = 2  # what a list or object counts beside its entries, because opening one takes time
INT_MIN, INT_MAX = -(2**63), 2**64 - 1  # beyond these, readers disagree about a JSON number

# One budget for both: a payload that is within it has at most NODES_MAX entries and TEXT_CHARS_MAX characters.
ENTRY_COST_CHARS = TEXT_CHARS_MAX // NODES_MAX + 1


def is_plain(value: object, *, depth_max: int = DEPTH_MAX, items_max: int | None = None) -> bool:
    """Whether msgspec alone writes this payload exactly as `encode_payload` does.

    For a caller that encodes a whole envelope in one go: if it is plain, put the object itself into the struct, else
    `msgspec.Raw(encode_payload(value).data)`. Encoding may still raise UnicodeEncodeError (half a surrogate pair) or,
    when another thread changed the payload meanwhile, TypeError; then take the second way.

    >>> is_plain({"a": [1, "b", None]}), is_plain({"a": b"b"}), is_plain({"a": float("inf")}), is_plain([1])
    (True, False, False, False)
    """
    if type(value) is not dict:
        return False
    items_max = NODES_MAX if items_max is None else items_max
    try:
        return budget_left(value, min(depth_max, DEPTH_LIMIT), TEXT_CHARS_MAX, items_max) >= 0
    except (RuntimeError, RecursionError):
        return False  # another thread is changing it, or the caller is deep in a recursion


def budget_left(container: Any, depth: int, budget: int, items_max: int) -> int:  # noqa: C901
    """What is left of the budget (in characters) after this exact list or dict; negative if it is not plain.

    Raises RuntimeError when another thread changes it meanwhile. The hot path of every payload, written for speed: each
    helper called here would cost more than what it does.
    """
    size = len(container)
    budget -= (size + CONTAINER_NODES) * ENTRY_COST_CHARS
    if depth < 1 or size > items_max or budget < 0:
        return -1
    if type(container) is dict:
        for key in container:
            if type(key) is not str:
                return -1
        container = container.values()
    for value in container:
        kind = type(value)
        if kind is str:
            budget -= len(value)
        elif kind is dict or kind is list:
            budget = budget_left(value, depth - 1, budget, items_max)
            if budget < 0:
                return -1
        elif kind is int:
            if not INT_MIN <= value <= INT_MAX:
                return -1
        elif kind is float:
            if value - value != 0.0:  # NaN and the infinities
                return -1
        elif kind is not bool and value is not None:
            return -1
    return budget

"""What the doors ask of a payload: the required keys, and the basic type of each key that the schema names.

The rules are read off the schemas, so the two can't disagree; nested parts are described by the schemas, not checked.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from flightlog.errors import EventInvalid
from flightlog.events.catalogue.declare import EventType

_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int, float),  # 3.0 is an integer in JSON Schema; 3.5 is told apart below
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_WORDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_decode = msgspec.json.Decoder().decode


class _Rule(NamedTuple):
    kinds: frozenset[type]
    words: str
    values: tuple[str | None, ...] | None
    whole: bool
    minimum: float | None


class PayloadCheck:
    """The check of one type's payload."""

    def __init__(self, event_type: EventType) -> None:
        self.needs = frozenset[str](event_type.schema.get("required", ()))
        self._type = event_type.type
        self._either = frozenset(part["required"][0] for part in event_type.schema.get("anyOf", ()))
        properties = event_type.schema["properties"]
        self._rules = {key: _rule(part) for key, part in properties.items() if "type" in part}

    def __call__(self, payload: dict[str, Any]) -> None:
        """Raise EventInvalid with the key that is missing or wrong."""
        if not self.needs <= payload.keys():
            missing = ", ".join(sorted(self.needs - payload.keys()))
            raise EventInvalid(reason=f"the payload of {self._type} needs {missing}")
        if self._either and self._either.isdisjoint(payload):
            raise EventInvalid(reason=f"the payload of {self._type} needs {' or '.join(sorted(self._either))}")
        for key, value in payload.items():
            rule = self._rules.get(key)
            if rule is not None and not _fits(rule, value):
                raise EventInvalid(reason=f"payload.{key} of {self._type} is {rule.words}")


def decoded(payload: msgspec.Raw) -> dict[str, Any]:
    """The object in these bytes. Raises EventInvalid where they are not the text of a JSON object."""
    try:
        value = _decode(payload)
    except (ValueError, RecursionError) as error:
        raise EventInvalid(reason=f"the payload is not JSON: {error}") from None
    if type(value) is not dict:
        raise EventInvalid(reason="payload is a JSON object")
    return value


def _rule(part: dict[str, Any]) -> _Rule:
    names = part["type"] if isinstance(part["type"], list) else [part["type"]]
    values = tuple(part["enum"]) if "enum" in part else None
    words = " or ".join(_WORDS[name] for name in names if name != "null")
    if values:
        words = "one of " + ", ".join(value for value in values if value is not None)
    elif "minimum" in part:
        words += f" of at least {part['minimum']}"
    kinds = frozenset(kind for name in names for kind in _PYTHON[name])
    return _Rule(kinds, words, values, "integer" in names, part.get("minimum"))


def _fits(rule: _Rule, value: Any) -> bool:
    kind = type(value)
    if kind not in rule.kinds:
        return False
    if rule.values is not None:
        return value in rule.values
    if kind is float and rule.whole and not value.is_integer():
        return False
    return rule.minimum is None or value is None or value >= rule.minimum

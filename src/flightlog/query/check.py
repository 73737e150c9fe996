"""Whether a text is one SELECT over our views and nothing else, by what DuckDB's own parser makes of it.

The parser's tree is walked, and every part of it has to be on a list (see allowed.py). It is the first of several walls, not the
only one: see sandbox.py and child.py.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from flightlog.query.allowed import EXPRESSIONS, FUNCTIONS, QUERY_NODES, SOURCES, TABLE_FUNCTIONS
from flightlog.query.views import ALIASES, VIEWS, view_of

DEPTH_MAX = 400  # of the parser's tree, a few levels of which make one of the query
SQL_CHARS_MAX = 100_000
NOWHERE = 2**64 - 1

EXPLAIN = re.compile(r"\s*explain(?:\s+analyze)?\s+(?=[^\s(])", re.IGNORECASE)
_KIND_OF_ERROR = re.compile(r"^(?:Binder|Catalog|Parser|Conversion|Invalid Input|Out of Range) Error: ")
_NAME = re.compile(r"\w+", re.ASCII)
_SHOWN = {"tables": "SHOW TABLES", "__show_tables_expanded": "SHOW ALL TABLES"}


class Fault(Exception):
    """The query is not run. `state` is invalid (it can't be read) or refused (it can, and is not allowed)."""

    def __init__(self, state: str, reason: str, at: int | None = None, length: int = 0) -> None:
        super().__init__(reason)
        self.state, self.reason, self.at, self.length = state, reason, at, length


class Checked(NamedTuple):
    """A statement that may be run: the views that it names, and whether it only asks which there are."""

    statement: Any
    views: frozenset[str]
    lists_views: bool = False


def check(connection: Any, sql: str) -> Checked:
    """The statement of this text. Raises Fault."""
    if len(sql) > SQL_CHARS_MAX:
        raise Fault("refused", f"it has {len(sql)} characters; at most {SQL_CHARS_MAX} are taken")
    if "\0" in sql:
        raise Fault("invalid", "there is a NUL character in it", sql.index("\0"), 1)
    statements = _statements(connection, sql)
    if not statements:
        raise Fault("invalid", "there is no statement in it", 0, 0)
    if len(statements) > 1:
        at = len(statements[0].query)
        raise Fault("refused", "it has several statements; one SELECT is taken", at, max(1, len(sql.rstrip()) - at))
    statement = statements[0]
    kind = str(statement.type.name)
    skipped = 0
    if kind == "EXPLAIN":
        found = EXPLAIN.match(sql)
        if found is None:
            raise Fault("refused", "of EXPLAIN only EXPLAIN SELECT and EXPLAIN ANALYZE SELECT are taken", 0, 7)
        skipped = found.end()
        inner = _statements(connection, sql[skipped:])
        kind = str(inner[0].type.name) if len(inner) == 1 else "MULTI"
    if kind == "MULTI":
        raise Fault("refused", "PIVOT has to name its values: PIVOT … ON column IN ('a', 'b')", 0, len(sql.split()[0]))
    if kind != "SELECT":
        raise Fault(
            "refused", f"{kind.replace('_', ' ')} is no query: one SELECT is taken, and nothing is written", 0, 0
        )
    walk = _Walk(sql, skipped)
    tree = _tree(connection, sql[skipped:])
    lists_views = _shown_special(tree)
    if not lists_views:
        walk.all(tree)
    return Checked(statement, frozenset(walk.views), lists_views)


def _statements(connection: Any, sql: str) -> list[Any]:
    try:
        return list(connection.extract_statements(sql))
    except RecursionError:
        raise Fault("refused", "it is nested too deeply") from None
    except Exception as error:
        raise fault_of(error, sql) from None


def _tree(connection: Any, sql: str) -> Any:
    try:
        [(text,)] = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
        found = json.loads(text)
    except RecursionError:
        raise Fault("refused", "it is nested too deeply") from None
    except Exception as error:
        raise fault_of(error, sql) from None
    if found.get("error"):
        raise Fault("refused", f"it can't be looked into: {found.get('error_message')}")
    return found["statements"]


def _shown_special(tree: Any) -> bool:
    """Whether all of the statement is SHOW TABLES or SHOW ALL TABLES."""
    source = tree[0].get("node", {}).get("from_table") or {}
    name = str(source.get("table_name", "")).strip('"')
    return bool(source.get("type") == "SHOW_REF" and source.get("query") is None and name in _SHOWN)


class _Walk:
    """Looks at every part of the parser's tree."""

    def __init__(self, sql: str, skipped: int) -> None:
        self._bytes, self._skipped = sql.encode(), len(sql[:skipped].encode())
        self.views: set[str] = set()
        self._named: set[str] = set()

    def all(self, tree: Any) -> None:
        """Raises Fault at the first part that is not allowed."""
        self._names(tree, 0)
        self._part(tree, 0)

    def _names(self, node: Any, depth: int) -> None:
        """The names that the query itself gives to its parts (WITH …)."""
        if depth > DEPTH_MAX:
            raise Fault("refused", "it is nested too deeply")
        if isinstance(node, list):
            for one in node:
                self._names(one, depth + 1)
        elif isinstance(node, dict):
            if isinstance(node.get("cte_map"), dict):
                for entry in node["cte_map"].get("map", ()):
                    self._take_name(str(entry.get("key")))
            if node.get("type") == "RECURSIVE_CTE_NODE":
                self._take_name(str(node.get("cte_name")))
            for one in node.values():
                self._names(one, depth + 1)

    def _take_name(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise Fault("refused", f"{name!r} is no name for a part of a query: take letters, digits and _")
        self._named.add(name.lower())

    def _part(self, node: Any, depth: int) -> None:
        if isinstance(node, list):
            for one in node:
                self._part(one, depth + 1)
        elif isinstance(node, dict):
            if isinstance(node.get("type"), str):
                self._look(node)
            if "function_name" in node:
                self._function(node)
            for name, one in node.items():
                if name == "function" and node.get("type") == "TABLE_FUNCTION":
                    self._part(one.get("arguments", one.get("children", [])), depth + 1)
                    self._nothing_else(one)
                else:
                    self._part(one, depth + 1)

    def _look(self, node: dict[str, Any]) -> None:
        kind = node["type"]
        if "class" in node:
            if node["class"] not in EXPRESSIONS:
                raise self._refused(node, _EXPRESSION_REASONS.get(node["class"], f"{_words(kind)} is not taken here"))
        elif "cte_map" in node:
            if kind not in QUERY_NODES:
                raise self._refused(node, f"{_words(kind)} is no query: nothing is written")
        elif "sample" in node:
            self._source(node, kind)
        elif not kind.endswith(("_MODIFIER", "_TYPE_INFO")) and kind not in (
            "ORDER_DEFAULT",
            "ASCENDING",
            "DESCENDING",
        ):
            raise self._refused(node, f"{_words(kind)} is not taken here")

    def _source(self, node: dict[str, Any], kind: str) -> None:
        if kind not in SOURCES:
            raise self._refused(node, f"{_words(kind)} can't be read from")
        if node.get("at_clause"):
            raise self._refused(node, "AT is not taken: a query sees the store as it is now")
        if kind == "TABLE_FUNCTION":
            name = str(node["function"].get("function_name", "")).lower()
            self._unqualified(node["function"], node)
            if name not in TABLE_FUNCTIONS:
                known = ", ".join(sorted(TABLE_FUNCTIONS))
                raise self._refused(node, f"the table function {name}() is not allowed; there are {known}")
        elif kind == "BASE_TABLE" or (kind == "SHOW_REF" and node.get("query") is None):
            self._table(node)

    def _table(self, node: dict[str, Any]) -> None:
        name = str(node.get("table_name", "")).strip('"')
        path = [str(one) for one in (node.get("qualified_name") or {}).get("path", ())][:-1]
        around = [one for one in (node.get("catalog_name"), node.get("schema_name"), *path) if one]
        if any(str(one).lower() not in ("main", "memory") for one in around):
            raise self._refused(node, f"there is nothing called {'.'.join([*map(str, around), name])!r}")
        if not around and name.lower() in self._named:
            return
        view = view_of(name)
        if view is None:
            known = ", ".join([*VIEWS, *ALIASES])
            raise self._refused(node, f"there is no view {name!r}; there are {known}")
        self.views.add(name.lower())

    def _function(self, node: dict[str, Any]) -> None:
        name = str(node["function_name"])
        self._unqualified(node, node)
        if name.lower() not in FUNCTIONS:
            raise self._refused(node, f"the function {name}() is not allowed")

    def _unqualified(self, function: dict[str, Any], node: dict[str, Any]) -> None:
        around = [function.get("schema"), function.get("catalog")]
        around += list((function.get("qualified_name") or {}).get("path", ()))[:-1]
        if any(around):
            raise self._refused(node, "a function is called by its name alone")

    def _nothing_else(self, function: dict[str, Any]) -> None:
        """A table function has arguments, and nothing in which another could hide."""
        order = (function.get("order_bys") or {}).get("orders")
        if function.get("filter") or order or function.get("distinct"):
            raise Fault("refused", "a table function takes arguments alone")

    def _refused(self, node: dict[str, Any], reason: str) -> Fault:
        at, length = node.get("query_location", NOWHERE), node.get("query_location_length", 0)
        if not isinstance(at, int) or at >= NOWHERE:
            return Fault("refused", reason)
        start, end = _characters(self._bytes, at + self._skipped, length)
        return Fault("refused", reason, start, end - start)


_EXPRESSION_REASONS = {
    "PARAMETER": "there are no parameters: write the value into the query",
    "DEFAULT": "DEFAULT is not taken here",
}


def fault_of(error: Exception, sql: str) -> Fault:
    """What DuckDB says of a query, with the place in it where it says one. Its own words, without paths."""
    text = str(error)
    said = text[text.find("{") :] if "{" in text else ""
    try:
        found = json.loads(said)
        reason, place = str(found["exception_message"]), found.get("location")
    except (ValueError, KeyError, TypeError):
        return Fault("invalid", _first(text))
    try:
        at, length = json.loads(place)
    except (ValueError, TypeError):
        return Fault("invalid", _first(reason))
    start, end = _characters(sql.encode(errors="replace"), int(at), int(length))
    return Fault("invalid", _first(reason), start, end - start)


def _first(text: str) -> str:
    """The first lines of a message: what follows is the query again, or a list of everything else there is."""
    kept = text.split("\n\nLINE ")[0].split("\n\tCandidate functions")[0]
    return _KIND_OF_ERROR.sub("", " ".join(kept.split()))[:500].rstrip(".")


def _characters(text: bytes, at: int, length: int) -> tuple[int, int]:
    """A place in bytes as one in characters."""
    start = len(text[:at].decode(errors="ignore"))
    return start, start + max(len(text[at : at + length].decode(errors="ignore")), 0)


def _words(kind: str) -> str:
    return kind.removesuffix("_NODE").removesuffix("_QUERY").replace("_", " ")

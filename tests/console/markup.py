"""Reading pages as a browser does: what the policy forbids, and whether what was opened is closed."""

from __future__ import annotations

from html.parser import HTMLParser

NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Careful(HTMLParser):
    """Collects what the policy forbids, and checks that what was opened is closed."""

    VOID = frozenset({"meta", "link", "input", "br", "img", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.forbidden: list[str] = []
        self.links: set[str] = set()
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.forbidden += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.forbidden.append(tag)
        self.links |= {value for name, value in attrs if name in ("href", "src", "action") and value}
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(html: str) -> Careful:
    parser = Careful()
    parser.feed(html)
    assert parser.open == []
    return parser

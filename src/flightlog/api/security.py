"""Who may talk to this server: loopback only, by its own name, and no pages of other sites.

There is no authentication yet, so the browser's rules are all that stands between a page somewhere and the journal.
"""

from __future__ import annotations

import ipaddress
import re

from starlette.datastructures import Headers
from starlette.types import Scope

from flightlog.errors import BindRefused, HostRefused, OriginRefused

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
DEFAULT_PORTS = {"http": 80, "https": 443}

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE | re.ASCII)

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

# On every answer. A response that sets one of these itself keeps its own.
HEADERS: dict[str, str] = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def check_bind(host: str) -> None:
    """Raise BindRefused unless `host` is this machine's loopback.

    >>> check_bind("127.0.0.1"), check_bind("::1"), check_bind("localhost")
    (None, None, None)
    """
    if host.lower() == "localhost":
        return
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        raise BindRefused(host=host) from None
    mapped = getattr(address, "ipv4_mapped", None)
    if not (mapped or address).is_loopback:
        raise BindRefused(host=host)


def check_host(scope: Scope, headers: Headers) -> str:
    """The Host of this request in lower case. Raises HostRefused unless it names loopback and the port we listen on."""
    given = headers.getlist("host")
    found = _HOST.fullmatch(given[0]) if len(given) == 1 else None
    if found is None or found["name"].lower() not in LOOPBACK_NAMES:
        raise HostRefused(host=", ".join(given))
    server = scope.get("server")
    listening = server[1] if server else None
    if listening is not None and int(found["port"] or DEFAULT_PORTS.get(scope["scheme"], 80)) != listening:
        raise HostRefused(host=given[0])
    return given[0].lower()


def check_origin(headers: Headers, host: str) -> None:
    """Raise OriginRefused when a browser sends this request for a page that is not ours.

    Programs send neither Origin nor Sec-Fetch-Site and pass; browsers send at least one with everything that this guards.
    """
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
        raise OriginRefused(origin=origin)
    site = headers.get("sec-fetch-site")
    if origin is None and site is not None and site not in ("same-origin", "none"):
        raise OriginRefused(origin=f"{site} (Sec-Fetch-Site)")

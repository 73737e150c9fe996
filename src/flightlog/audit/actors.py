"""Who is at a door of Flightlog itself."""

from __future__ import annotations

import getpass
import os


def os_actor() -> str:
    """Who calls the command line: the user of this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def http_actor(client: str | None) -> str:
    """Who calls the API, as far as that is known without accounts.

    >>> http_actor("127.0.0.1"), http_actor(None)
    ('api:127.0.0.1', 'api')
    """
    return f"api:{client}" if client else "api"

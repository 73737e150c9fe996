"""The app on a socket."""

from __future__ import annotations

import uvicorn
from starlette.types import ASGIApp

from flightlog.api.security import check_bind

# How long requests under way may take when the server is asked to stop; streams end at once.
STOP_SECONDS = 5


def make_server(app: ASGIApp, host: str, port: int) -> uvicorn.Server:
    """A server that is ready to `run()`. Raises BindRefused unless `host` is loopback. Port 0 takes any free one."""
    check_bind(host)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host.strip("[]"),
            port=port,
            http="h11",
            ws="none",
            lifespan="off",
            access_log=False,
            server_header=False,
            log_level="warning",
            timeout_graceful_shutdown=STOP_SECONDS,
            # Nobody's X-Forwarded-For is believed.
            proxy_headers=False,
        )
    )

"""A real S3 server for tests: SeaweedFS, in a folder of its own, on free ports of this machine."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

READY_SECONDS_MAX = 60.0
BUCKET = "history"

# Any do: no identities are configured.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


class Seaweed:
    """The server; `endpoint` is where it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports = {name: _free_port() for name in ("master", "volume", "filer", "s3")}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._ports['s3']}"

    def start(self) -> None:
        """Start it, with what it had before, and return when it takes requests."""
        self.folder.mkdir(exist_ok=True)
        ports = [f"-{name}.port={port}" for name, port in self._ports.items()]
        # Otherwise it listens on fixed ports too, and there may be two of it.
        quiet = ["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"]
        command = [
            str(Path(sys.executable).with_name("weed")), "server", f"-dir={self.folder}", "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1", "-filer", "-s3", "-master.volumeSizeLimitMB=64", "-master.volumePreallocate=false",
            "-volume.max=20", *ports, *quiet,
        ]  # fmt: skip
        environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=environ)
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not self._makes_bucket():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError("the S3 server did not start: " + (self.folder / "log").read_text()[-2_000:])
            time.sleep(0.05)

    def _makes_bucket(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._ports["s3"], timeout=5)
        try:
            connection.request("PUT", f"/{BUCKET}")
            return connection.getresponse().status in (200, 409)
        except OSError:
            return False
        finally:
            connection.close()

    def kill(self) -> None:
        """End it at once, as a machine that is switched off."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None


def _free_port() -> int:
    """A port that is free, as is the one 10,000 above it, which SeaweedFS takes too."""
    while True:
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            if port > 50_000:
                continue
            with socket.socket() as second:
                try:
                    second.bind(("127.0.0.1", port + 10_000))
                except OSError:
                    continue
            return port

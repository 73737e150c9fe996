"""Other receivers of OpenTelemetry, installed into an environment of their own and measured with the same sender."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

SPANS = 5_000
READY_SECONDS, SETTLE_SECONDS = 180.0, 60.0


class Peer(NamedTuple):
    """How one is installed, started, and asked what it has. `{port}`, `{other}` and `{folder}` are filled in."""

    name: str
    package: str
    command: tuple[str, ...]
    environ: dict[str, str]
    database: str
    headers: tuple[str, ...] = ()


PEERS = (
    Peer(
        "Arize Phoenix",
        "arize-phoenix",
        ("bin/phoenix", "serve"),
        {"PHOENIX_WORKING_DIR": "{folder}", "PHOENIX_PORT": "{port}", "PHOENIX_GRPC_PORT": "{other}"},
        "phoenix.db",
    ),
    Peer(
        "MLflow",
        "mlflow",
        ("bin/mlflow", "server", "--port", "{port}", "--workers", "1", "--backend-store-uri", "sqlite:///{folder}/mlflow.db"),
        {},
        "mlflow.db",
        ("x-mlflow-experiment-id=0",),
    ),
)  # fmt: skip


def measure(
    export: Callable[..., float], cpu_seconds: Callable[[int], float], rss_mib: Callable[[int], float], sink_rate: float
) -> list[list[str]]:
    """One row for each; for one that could not be installed or started, a row that says so."""
    rows = []
    for peer in PEERS:
        with tempfile.TemporaryDirectory() as temp:
            try:
                rows.append(_measure(peer, Path(temp), export, cpu_seconds, rss_mib, sink_rate))
            except (OSError, subprocess.SubprocessError, sqlite3.Error) as error:
                rows.append([f"{peer.name}: {type(error).__name__}: {error!s:.80}", *[""] * 7])
    return rows


def _measure(
    peer: Peer,
    temp: Path,
    export: Callable[..., float],
    cpu_seconds: Callable[[int], float],
    rss_mib: Callable[[int], float],
    sink_rate: float,
) -> list[str]:
    venv, folder = temp / "venv", temp / "data"
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    subprocess.run(
        [str(venv / "bin/python"), "-m", "pip", "install", "-q", peer.package], check=True, capture_output=True
    )
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        facts = {"port": one.getsockname()[1], "other": two.getsockname()[1], "folder": folder}
    program, *arguments = (part.format(**facts) for part in peer.command)
    environ = {**os.environ, **{name: value.format(**facts) for name, value in peer.environ.items()}}
    environ.pop("PYTHONPATH", None)
    with (temp / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(venv / program), *arguments], env=environ, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_until_ready(f"http://127.0.0.1:{facts['port']}/", process)
        before = cpu_seconds(process.pid)
        seconds = export(f"http://127.0.0.1:{facts['port']}/v1/traces", SPANS, *peer.headers)
        stored = _settled(folder / peer.database)
        taken, rss = cpu_seconds(process.pid) - before, rss_mib(process.pid)
    finally:
        process.terminate()
        process.wait(30)
    size = sum(path.stat().st_size for path in folder.glob(f"{peer.database}*"))
    rate = SPANS / seconds
    return [
        f"{SPANS:,} × exporter → {peer.name}",
        f"{rate:,.0f}",
        f"{rate / sink_rate:.2f}",
        f"{taken / SPANS * 1e6:.0f}",
        f"{size / SPANS:,.0f}",
        f"{rss:.0f}",
        f"{SPANS - stored}",
        "",
    ]


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise OSError(f"it ended with {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    raise OSError("it did not answer")


def _settled(path: Path) -> int:
    """How many spans it has once there come no more: some answer before they store."""
    count, same, until = -1, 0, time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < until and same < 5:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            found = int(database.execute("SELECT count(*) FROM spans").fetchone()[0])
        if found >= SPANS:
            return found
        count, same = found, same + 1 if found == count else 0
        time.sleep(3)
    return count

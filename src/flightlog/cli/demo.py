"""`flightlog demo`: fly a small real agent, show what was recorded, serve it."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from flightlog import wiring
from flightlog.cli import lines, options, output, serving
from flightlog.cli.local import FolderSource
from flightlog.cli.problems import FAILED
from flightlog.cli.query import Doc, EventQuery, Source
from flightlog.cli.words import count, duration
from flightlog.config import Settings
from flightlog.demo.agent import Outcome, fly
from flightlog.demo.workspace import SECRET, make_workspace
from flightlog.errors import Unavailable
from flightlog.store.lock import holder

PORTS_TRIED = 20
FLUSH_SECONDS_MAX = 30.0


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo")(demo)


def demo(
    folder: options.Folder = None,
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Serve the folder afterwards, until Ctrl-C.")
    ] = True,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="Serve on this port, or the next free one.")
    ] = serving.PORT,
    as_json: options.AsJson = False,
) -> None:
    """Fly a small real agent and show what was recorded.

    It repairs a small project: real files, tests and patches; only its model is scripted, so it needs no key and no
    network. The exit code is 1 unless the tests went from red to green and the secret that the agent saw is nowhere in
    the record.
    """
    serving.require_server_extra("flightlog demo")
    place = options.chosen_folder(folder)
    settings = Settings.load(place)
    outcome, delivered = _fly(place)
    if not delivered:
        raise Unavailable(reason=f"the events wait in the spool of {place}; `flightlog doctor` says why")
    found = _look_back(place, outcome)
    if as_json:
        output.print_json(found, lines=serve)
    else:
        _print(found)
    if not found["ok"]:
        raise typer.Exit(FAILED)
    if serve:
        _serve(place, settings, port, outcome.run_id, as_json)
    elif not as_json:
        print(f"\nRead it:  flightlog run show {outcome.run_id} --dir {place}\nServe it: flightlog up --dir {place}")


def _fly(place: Path) -> tuple[Outcome, bool]:
    """The flight, and whether all of it is in the store."""
    with tempfile.TemporaryDirectory(prefix="flightlog-demo-") as scratch:
        recorder = wiring.open(place)
        try:
            outcome = fly(recorder, make_workspace(Path(scratch) / "headline"))
        finally:
            delivered = recorder.flush(FLUSH_SECONDS_MAX)
            recorder.close()
    return outcome, delivered


def _look_back(place: Path, outcome: Outcome) -> dict[str, Any]:
    """What the record says of the flight, read back from the store."""
    source = FolderSource(place)
    try:
        run = source.run(outcome.run_id)
        events = _events_of(source, outcome.run_id)
    finally:
        source.close()
    tests = [event["status"] for event in events if event["type"] == "test_result"]
    leaks = _places_of(place, SECRET.encode())
    return {
        "ok": outcome.ok
        and tests[:1] == ["failed"]
        and tests[-1:] == ["passed"]
        and not leaks
        and not run["lost_count"],
        "run": run,
        "tests": tests,
        "decisions": dict(Counter(event["status"] for event in events if event["type"] == "capability_decision")),
        "redacted": sum("redacted" in event["flags"] for event in events),
        "secret_found_in": leaks,
    }


def _events_of(source: Source, run_id: str) -> list[Doc]:
    events: list[Doc] = []
    after_id = 0
    while True:
        page = source.events(EventQuery(run_id=run_id), after_id=after_id)
        events += page["events"]
        if not page["more"]:
            return events
        after_id = page["nextAfterId"]


def _places_of(place: Path, secret: bytes) -> list[str]:
    """The files of the data folder that hold the secret: there should be none."""
    return [str(path) for path in sorted(place.rglob("*")) if path.is_file() and secret in path.read_bytes()]


def _print(found: dict[str, Any]) -> None:
    run = found["run"]
    print(f"{run['name']}  ({run['actor']}, {duration(run['duration_ns'])})\n")
    rows = [[kind, f"{number:,}"] for kind, number in sorted(run["counts"].items())]
    output.print_table(("event", "recorded"), [*rows, ["all", f"{run['event_count']:,}"]], right=("recorded",))
    print()
    decisions = ", ".join(f"{number} {word}" for word, number in sorted(found["decisions"].items()))
    used = f"{run['tokens_input']:,} tokens in, {run['tokens_output']:,} out, ${run['cost_usd']:.6f}"
    leaks = found["secret_found_in"]
    secret = f"the token that the agent read is in {count(len(leaks), 'file')} of the record"
    output.print_facts(
        [
            ("verdict", (run["status"], lines.STATUS_STYLES.get(run["status"], ""))),
            ("tests", " → ".join(found["tests"])),
            ("model", f"{', '.join(run['models'])}: {used}"),
            ("permissions", decisions),
            ("redacted", f"{count(found['redacted'], 'event')}; {secret}"),
            ("lost", count(run["lost_count"], "event")),
            ("run", run["run_id"]),
        ]
    )


def _serve(place: Path, settings: Settings, port: int, run_id: str, as_json: bool) -> None:
    keeper = holder(place)
    if keeper is not None:
        output.hint(f"process {keeper} keeps {place} already; if it is `flightlog up`, the run is in its console")
        return
    listener = serving.listen(serving.LOOPBACK, port, PORTS_TRIED)
    url = serving.url_of(serving.LOOPBACK, listener)

    def ready() -> None:
        output.hint(f"Flightlog serves {place.absolute()} until Ctrl-C")
        if as_json:
            output.print_json({"url": f"{url}/runs/{run_id}", "folder": str(place.absolute())}, lines=True)
        else:
            print(f"{url}/runs/{run_id}")
        output.flush()

    serving.serve(place, settings, serving.LOOPBACK, listener, ready)

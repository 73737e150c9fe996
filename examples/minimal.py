"""The smallest flight: a run with a span and a note, kept in a folder.

python examples/minimal.py [FOLDER]
"""

from __future__ import annotations

import sys

import flightlog


def main(folder: str) -> None:
    """Record one run."""
    with flightlog.open(folder) as rec:
        with rec.run("say hello", actor="example") as run:
            run.note("starting")
            with run.span("greet", language="en"):
                print("hello")
        print("recorded as run", run.id)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "./flight")

"""`flightlog`: the command line's way in."""

from __future__ import annotations

import sys

from flightlog.version import __version__


def main() -> None:
    """Run the verb that the arguments name."""
    if sys.argv[1:] == ["--version"]:
        print(f"flightlog {__version__}")  # scripts ask this often; it needs nothing of what is below
        return
    from flightlog.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a poor locale must not hide what was recorded
    app(prog_name="flightlog")


if __name__ == "__main__":
    main()

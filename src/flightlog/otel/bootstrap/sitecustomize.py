"""Python runs this before a program whose PYTHONPATH begins with this folder; `flightlog instrument` sees to that."""

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

_HERE = os.path.dirname(os.path.abspath(__file__))


def _run_theirs() -> None:
    """A machine may have a sitecustomize of its own, which ours stands before."""
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != _HERE]
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


def _run_ours() -> None:
    try:
        from flightlog.otel.instrument import start
    except ImportError as error:
        advice = "pip install 'flightlog[otel]' and an instrumentation there"
        print(f"flightlog: {sys.executable} is not instrumented: {error}; {advice}", file=sys.stderr)
    else:
        start()


try:
    _run_theirs()
finally:
    _run_ours()

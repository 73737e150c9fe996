"""Commands, tests, a permission and a patch: what an agent does to a folder, as events.

python examples/commands.py [FOLDER]
"""

from __future__ import annotations

import difflib
import sys
import tempfile
from pathlib import Path

import flightlog

BEFORE = "def double(x):\n    return x + x + 1\n"
AFTER = "def double(x):\n    return x + x\n"
TESTS = """\
import unittest
from double import double

class Doubles(unittest.TestCase):
    def test_two(self):
        self.assertEqual(double(2), 4)
"""


def main(folder: str) -> None:
    """Run the tests (red), ask, patch, run them again (green)."""
    with flightlog.open(folder) as rec, tempfile.TemporaryDirectory() as work:
        file = Path(work, "double.py")
        file.write_text(BEFORE)
        Path(work, "test_double.py").write_text(TESTS)
        command = [sys.executable, "-B", "-m", "unittest", "-q"]
        with rec.run("repair double()", actor="example") as run:
            print("before:", run.test(command, cwd=work).status)
            diff = "".join(
                difflib.unified_diff(BEFORE.splitlines(True), AFTER.splitlines(True), "a/double.py", "b/double.py")
            )
            patch = run.patch_proposed(diff)
            asked = run.request_capability("fs.write", resource="double.py", action=diff)
            run.decision("fs.write", "granted", rule="example", action=diff, correlation_id=asked)
            file.write_text(AFTER)
            run.patch_applied(diff, correlation_id=patch)
            print("after:", run.test(command, cwd=work).status)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "./flight")

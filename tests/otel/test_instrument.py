"""`flightlog instrument`: the program is run as without us, whatever it does with OpenTelemetry itself, and is recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flightlog.cli.instrument import BOOTSTRAP, environment
from flightlog.otel.instrument import choose
from tests.cli.terminal import COMMAND, Said, flightlog_process
from tests.cli.terminal import environment as of_tests
from tests.journeys.served import serve
from tests.otel.model_server import ANSWER, serving
from tests.otel.reading import read

ROOT = Path(__file__).parents[2]
PATHS = os.pathsep.join([str(ROOT / "src"), str(ROOT)])


def instrument(folder: Path, *args: str, **env: str) -> Said:
    """The verb on this Python, without any instrumentation unless `env` says otherwise: that is quicker."""
    given = {
        "PYTHONPATH": PATHS,
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*",
        "FLIGHTLOG_INSTRUMENT_QUIET": "1",
        **env,
    }
    return flightlog_process("instrument", "--dir", folder, *args, **given)


def test_output_arguments_and_exit_code_are_the_programs(tmp_path: Path) -> None:
    code = "import sys; print(sys.argv[1:]); print('aside', file=sys.stderr); sys.exit(7)"
    said = instrument(tmp_path, "--", sys.executable, "-c", code, "--dir", "a b")
    assert said == (7, "['--dir', 'a b']\n", "aside\n")


def test_a_program_that_is_not_there_is_said_as_a_shell_says_it(tmp_path: Path) -> None:
    assert instrument(tmp_path, "--", "no-such-program").code == 127
    assert instrument(tmp_path, "--", str(tmp_path)).code == 126
    assert instrument(tmp_path).code == 2


def test_json_has_standard_output_to_itself(tmp_path: Path) -> None:
    said = instrument(tmp_path, "--json", "--", sys.executable, "-c", "print('hello')")
    assert said.json["exit_code"] == 0
    assert said.json["delivered"]
    assert said.err == "hello\n"


def test_a_signal_to_us_reaches_the_program(tmp_path: Path) -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(9)); print('ready', flush=True); "
        "signal.pause()"
    )
    command = [*COMMAND, "instrument", "--dir", str(tmp_path), "--quiet", "--", sys.executable, "-c", code]
    environ = of_tests(PYTHONPATH=PATHS, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*")
    with subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 9


def test_a_python_that_has_no_instrumentation_says_so_once(tmp_path: Path) -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''])"
    said = instrument(tmp_path, "--", sys.executable, "-c", code, FLIGHTLOG_INSTRUMENT_QUIET="")
    assert said.err.count("nothing is instrumented") == 1
    assert "pip install" in said.err


def test_a_python_without_flightlog_runs_on_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "flightlog").mkdir()
    (tmp_path / "flightlog" / "__init__.py").write_text("raise ImportError('no module of this name')")
    code = "import os, sys; os.environ['PYTHONPATH'] = sys.argv[1]; os.execv(sys.executable, [sys.executable, '-c', 'print(1)'])"
    paths = os.pathsep.join([str(BOOTSTRAP), str(tmp_path)])
    said = instrument(tmp_path / "flight", "--", sys.executable, "-c", code, paths)
    assert (said.code, said.out) == (0, "1\n")
    assert "is not instrumented: no module of this name" in said.err


def test_a_sitecustomize_that_was_there_is_run_too(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('theirs')")
    said = instrument(
        tmp_path / "flight", "--", sys.executable, "-c", "print('program')",
        PYTHONPATH=os.pathsep.join([PATHS, str(tmp_path)]),
    )  # fmt: skip
    assert said.out.splitlines()[-2:] == ["theirs", "program"]


def test_a_provider_of_the_applications_own_stays_its_own_and_nothing_is_recorded_twice(tmp_path: Path) -> None:
    with serving() as (url, _):
        said = instrument(
            tmp_path, "--", sys.executable, "-m", "tests.otel.apps.own_provider",
            MODEL_URL=url, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="",
        )  # fmt: skip
    assert (said.code, said.err) == (0, "")
    assert said.out == "['ChatCompletion', 'request']\n"
    stored = read(tmp_path)
    assert sorted(event.name or "" for event in stored.events if event.type == "span_finished") == ["early", "request"]
    [(row, content)] = stored.calls
    assert content.message is not None
    assert content.message["content"] == ANSWER
    assert row.run_id == next(event.run_id for event in stored.events if event.name == "request")


def test_what_has_ended_survives_a_sigkill_right_after_it(tmp_path: Path) -> None:
    with serving() as (url, _):
        said = instrument(
            tmp_path, "--", sys.executable, "-m", "tests.otel.apps.killed",
            MODEL_URL=url, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="",
        )  # fmt: skip
    assert said.code == 128 + signal.SIGKILL
    stored = read(tmp_path)
    assert [row.request_model for row, _ in stored.calls] == ["first", "second", "third"]
    assert all(content.message is not None and content.message["content"] == ANSWER for _, content in stored.calls)
    assert not [event for event in stored.events if event.type == "degraded"]


@pytest.mark.parametrize("to", ["server", "folder"])
def test_it_delivers_beside_a_server_that_runs(to: str, tmp_path: Path) -> None:
    """To the server by its URL, or into the folder that the server is the writer of."""
    folder = tmp_path / "flight"
    with serving() as (url, _), serve(folder) as served:
        place = ["--server", served.url] if to == "server" else ["--dir", str(folder)]
        said = flightlog_process(
            "instrument", *place, "--json", "--", sys.executable, "-m", "tests.otel.apps.killed",
            MODEL_URL=url, PYTHONPATH=PATHS, XDG_STATE_HOME=str(tmp_path / "state"),
        )  # fmt: skip
        assert (said.code, said.json["exit_code"], said.json["delivered"]) == (137, 137, True)
        served.process.terminate()
        served.process.wait()
    assert [row.request_model for row, _ in read(folder).calls] == ["first", "second", "third"]


def test_without_content_only_that_it_was_said_is_recorded(tmp_path: Path) -> None:
    with serving() as (url, _):
        said = instrument(
            tmp_path, "--no-content", "--", sys.executable, "-m", "tests.otel.apps.calls",
            MODEL_URL=url, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="",
        )  # fmt: skip
    assert said.code == 0, said.err
    stored = read(tmp_path)
    assert len(stored.calls) == 11
    assert {row.tokens_input for row, _ in stored.calls if row.status == "ok"} == {120, 6}
    words = b"".join(
        bytes(event.payload) for event in stored.events if event.type == "llm_response" and event.status == "ok"
    )
    assert b"capital" not in words
    assert b"Ljubljana" not in words


def test_what_the_caller_set_on_purpose_stays(tmp_path: Path) -> None:
    before = {"TRACELOOP_TRACE_CONTENT": "no", "PYTHONPATH": f"{BOOTSTRAP}{os.pathsep}/a"}
    made = environment(before, "/flight", True, ("x", "y"), quiet=False)
    assert (made["TRACELOOP_TRACE_CONTENT"], made["OPENINFERENCE_HIDE_INPUTS"]) == ("no", "false")
    assert made["PYTHONPATH"] == f"{BOOTSTRAP}{os.pathsep}/a"
    assert (made["FLIGHTLOG_INSTRUMENT_TARGET"], made["FLIGHTLOG_INSTRUMENT_PREFER"]) == ("/flight", "x,y")
    assert environment(before, "/f", False, (), quiet=True)["TRACELOOP_TRACE_CONTENT"] == "false"


@pytest.mark.parametrize(
    ("preferred", "expected"),
    [((), "a-first"), (("zeta", "second"), "b-second"), (("openinference",), "openinference-x")],
)
def test_of_several_for_one_library_one_is_chosen(preferred: tuple[str, ...], expected: str) -> None:
    class Entry:
        def __init__(self, name: str) -> None:
            self.dist, self.value = type("Dist", (), {"name": name})(), name

    entries = [Entry("openinference-x"), Entry("b-second"), Entry("a-first")]
    assert choose(entries, preferred).value == expected  # type: ignore[arg-type]

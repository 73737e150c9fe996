"""Commands: run for real, recorded whole, never in the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flightlog.config import Settings
from flightlog.recorder.helpers.commands import title
from flightlog.testing import MemoryRecorder


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def gone(pid: int) -> bool:
    """Whether the process is gone (a zombie that nobody has reaped yet counts as gone)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until(condition, seconds=10.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        threading.Event().wait(0.01)


def test_a_command_is_run_and_recorded(rec, only, tmp_path):
    with rec.run("r") as run:
        result = run.exec(["sh", "-c", "echo out; echo err >&2; pwd"], cwd=tmp_path)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"out\n{tmp_path}\n", "err\n")
    assert result.ok
    assert not result.truncated
    started, start = only("exec_started")
    ended, end = only("exec_result")
    command = ["sh", "-c", "echo out; echo err >&2; pwd"]
    assert start == {"command": command, "cwd": str(tmp_path)}
    assert end == {
        "command": command,
        "exit_code": 0,
        "signal": None,
        "stdout": {"head": result.stdout, "tail": "", "bytes": len(result.stdout), "truncated": False},
        "stderr": {"head": "err\n", "tail": "", "bytes": 4, "truncated": False},
        "timed_out": False,
    }
    assert started.correlation_id == ended.correlation_id
    assert (ended.status, ended.level) == ("ok", "info")
    assert ended.name == "sh -c 'echo out; echo err >&2; pwd'"


def test_a_failing_command_is_an_error_event_and_no_exception(rec, only):
    with rec.run("r") as run:
        result = run.exec(python("raise SystemExit(3)"))
    assert (result.exit_code, result.ok) == (3, False)
    assert (only("exec_result")[0].status, only("exec_result")[0].level) == ("error", "error")


def test_check_raises_what_subprocess_raises_after_recording(rec, only):
    with rec.run("r") as run, pytest.raises(subprocess.CalledProcessError) as caught:
        run.exec(python("print('why'); raise SystemExit(3)"), check=True)
    assert (caught.value.returncode, caught.value.stdout) == (3, "why\n")
    assert only("exec_result")[1]["exit_code"] == 3


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (["no-such-command-here"], FileNotFoundError),
        (["/etc"], PermissionError),
        (["a\0b"], ValueError),
        ([], ValueError),
        ("unbalanced 'quote", ValueError),
        ([5], TypeError),
    ],
)
def test_a_command_that_can_not_be_started_raises_after_recording(rec, only, command, kind):
    with rec.run("r") as run, pytest.raises(kind):
        run.exec(command)
    event, payload = only("exec_result")
    assert event.status == "error"
    assert payload["exit_code"] is None
    assert payload["error"]["kind"] == kind.__name__


def test_a_folder_that_is_not_there_raises_after_recording(rec, only, tmp_path):
    with rec.run("r") as run, pytest.raises(FileNotFoundError):
        run.exec(["true"], cwd=tmp_path / "missing")
    assert only("exec_result")[1]["error"]["kind"] == "FileNotFoundError"


def test_a_text_is_split_into_words_and_no_shell_is_used(rec):
    with rec.run("r") as run:
        assert run.exec("echo 'two words' $HOME").stdout == "two words $HOME\n"


def test_input_is_fed_while_output_is_read_however_long_both_are(rec):
    size = 3_000_000
    with rec.run("r") as run:
        result = run.exec(["cat"], input=b"x" * size, output_bytes_max=size)
    assert len(result.stdout) == size
    assert not result.truncated


def test_both_pipes_are_read_at_once(rec, only):
    code = "import os\nfor _ in range(300):\n os.write(1, b'o' * 9999 + b'\\n'); os.write(2, b'e' * 9999 + b'\\n')"
    with rec.run("r") as run:
        assert run.exec(python(code), timeout=60).exit_code == 0
    payload = only("exec_result")[1]
    assert payload["stdout"]["bytes"] == payload["stderr"]["bytes"] == 3_000_000
    assert payload["stdout"]["truncated"]


def test_a_command_that_does_not_read_its_input_is_no_problem(rec):
    with rec.run("r") as run:
        assert run.exec(["true"], input="x" * 1_000_000).exit_code == 0


def test_without_input_a_command_that_reads_finds_the_end_at_once(rec):
    with rec.run("r") as run:
        assert run.exec(["cat"], timeout=30).stdout == ""


def test_of_a_long_output_head_and_tail_are_kept_and_the_rest_is_counted():
    rec = MemoryRecorder(settings=Settings(exec_output_bytes_max=100))
    with rec.run("r") as run:
        result = run.exec(python("for i in range(1000): print('line', i)"))
    (payload,) = rec.payloads("exec_result")
    out = payload["stdout"]
    assert out["head"].startswith("line 0\n")
    assert out["tail"].endswith("line 999\n")
    assert len(out["head"]) <= 100
    assert len(out["tail"]) <= 100
    assert (out["bytes"], out["truncated"]) == (8890, True)
    assert result.truncated
    assert "bytes left out] …\n" in result.stdout


def test_the_result_can_keep_more_than_the_event():
    rec = MemoryRecorder(settings=Settings(exec_output_bytes_max=100))
    with rec.run("r") as run:
        result = run.exec(python("for i in range(1000): print('line', i)"), output_bytes_max=10_000)
    assert result.stdout.count("\n") == 1000
    assert not result.truncated
    assert rec.payloads("exec_result")[0]["stdout"]["truncated"]


def test_output_that_is_no_utf8_is_replaced_not_refused(rec):
    with rec.run("r") as run:
        assert run.exec(python(r"import os; os.write(1, b'\xff\xfeok')")).stdout == "��ok"


def test_when_time_is_up_the_whole_group_is_ended(rec, only, tmp_path):
    code = f"sleep 100 & echo $! > {tmp_path}/pid; echo started; wait"
    with rec.run("r") as run:
        result = run.exec(["sh", "-c", code], timeout=0.5)
    assert (result.timed_out, result.signal, result.exit_code) == (True, "SIGTERM", -signal.SIGTERM)
    assert result.stdout == "started\n"
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: gone(pid))
    event, payload = only("exec_result")
    assert (event.status, payload["timed_out"], payload["signal"]) == ("error", True, "SIGTERM")


def test_a_group_that_takes_no_notice_is_killed(rec, tmp_path):
    child = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(100)"
    )
    with rec.run("r") as run:
        result = run.exec(python(child), timeout=1)
    assert (result.timed_out, result.signal, result.stdout) == (True, "SIGKILL", "up\n")


def test_a_child_that_outlives_the_signal_of_its_parent_is_killed_too(rec, tmp_path):
    code = f"(trap '' TERM; echo $$ >/dev/null; exec sleep 100) & echo $! > {tmp_path}/pid; wait"
    with rec.run("r") as run:
        assert run.exec(["sh", "-c", code], timeout=0.5).timed_out
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: gone(pid))


def test_check_with_a_timeout_raises_timeout_expired(rec):
    with rec.run("r") as run, pytest.raises(subprocess.TimeoutExpired):
        run.exec(["sleep", "100"], timeout=0.2, check=True)


def test_a_process_left_in_the_background_does_not_keep_the_caller_waiting(rec, tmp_path):
    began = time.monotonic()
    with rec.run("r") as run:
        result = run.exec(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; echo done"])
    assert time.monotonic() - began < 30
    assert (result.exit_code, result.stdout) == (0, "done\n")
    pid = int((tmp_path / "pid").read_text())
    assert not gone(pid)
    os.kill(pid, signal.SIGKILL)


def test_a_process_that_closes_its_pipes_and_goes_on_is_waited_for(rec):
    with rec.run("r") as run:
        result = run.exec(python("import os, time; os.close(1); os.close(2); time.sleep(0.3); os._exit(7)"))
        assert result.exit_code == 7
        stuck = run.exec(python("import os, time; os.close(1); os.close(2); time.sleep(100)"), timeout=0.5)
        assert stuck.timed_out


def test_an_interrupted_caller_ends_the_command_and_the_interrupt_goes_on(rec, only, tmp_path, monkeypatch):
    from flightlog.recorder.helpers import processes

    def interrupted(*_):
        wait_until((tmp_path / "pid").exists)
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "_serve", interrupted)
    with rec.run("r") as run, pytest.raises(KeyboardInterrupt):
        run.exec(["sh", "-c", f"echo $$ > {tmp_path}/tmp; mv {tmp_path}/tmp {tmp_path}/pid; sleep 100"])
    assert gone(int((tmp_path / "pid").read_text()))
    payload = only("exec_result")[1]
    assert payload["error"]["kind"] == "KeyboardInterrupt"
    assert payload["signal"] == "SIGTERM"


def test_the_environment_is_the_one_that_is_given_and_is_not_recorded(rec):
    with rec.run("r") as run:
        result = run.exec(["/usr/bin/env"], env={"ONLY": "plain-value"})
    assert result.stdout == "ONLY=plain-value\n"
    assert "ONLY" not in rec.payloads("exec_started")[0]


def test_without_capture_nothing_of_the_output_is_recorded(rec, only, capfd):
    with rec.run("r") as run:
        result = run.exec(["echo", "live"], capture=False)
    assert result.stdout == ""
    assert capfd.readouterr().out == "live\n"
    assert "stdout" not in only("exec_result")[1]


def test_echo_passes_output_on_and_records_it(rec, only, capfd):
    with rec.run("r") as run:
        run.exec(["sh", "-c", "echo out; echo err >&2"], echo=True, input="")
    assert capfd.readouterr() == ("out\n", "err\n")
    assert only("exec_result")[1]["stdout"]["head"] == "out\n"


ECHO = """
import sys
from flightlog.testing import MemoryRecorder
rec = MemoryRecorder()
with rec.run("r") as run:
    result = run.exec(sys.argv[1:], echo=True)
print("exit", result.exit_code, rec.payloads("exec_result")[0]["stdout"]["bytes"], flush=True)
"""


def echoing(command: list[str], **options) -> subprocess.Popen:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", ECHO, *command], stdout=subprocess.PIPE, env=environ, **options)


def test_echo_inherits_standard_input():
    with echoing(["cat"], stdin=subprocess.PIPE) as process:
        out, _ = process.communicate(b"hello\n", timeout=30)
    assert out == b"hello\nexit 0 6\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_echo_hands_stopping_signals_to_the_command(number):
    child = (
        "import signal, sys, time\n"
        f"signal.signal({int(number)}, lambda *_: (print('got it', flush=True), sys.exit(9)))\n"
        "print('up', flush=True)\ntime.sleep(100)"
    )
    with echoing(python(child)) as process:
        assert process.stdout.readline() == b"up\n"
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
        assert out.splitlines() == [b"got it", b"exit 9 10"]
        assert process.returncode == 0


def test_a_command_whose_echo_nobody_reads_any_more_notices_it(tmp_path):
    read, write = os.pipe()
    code = ECHO.replace("print(", "print(file=sys.stderr, *[").replace(", flush=True)", "])")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", code, "yes"], stdout=write, stderr=subprocess.PIPE, env=environ
    ) as process:
        os.close(write)
        os.read(read, 1)
        os.close(read)
        _, err = process.communicate(timeout=30)
    assert err.startswith(f"exit {-signal.SIGPIPE} ".encode())


def test_a_title_never_cuts_a_word():
    assert title(["/usr/bin/git", "commit", "-m", "two words"]) == "git commit -m 'two words'"
    token = "t" * 90
    assert title(["curl", "-H", "X: " + token, "https://example.com"]) == "curl -H …"
    assert title(["x" * 300]) == "…"
    assert title([]) == ""


def test_threads_run_commands_side_by_side_in_their_own_runs(rec):
    def work(number: int) -> None:
        with rec.run(f"r{number}") as run:
            assert run.exec(["echo", str(number)]).stdout == f"{number}\n"

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = {event.run_id: event.name for event in rec.events if event.type == "run_started"}
    for event, payload in zip(
        [event for event in rec.events if event.type == "exec_result"], rec.payloads("exec_result"), strict=True
    ):
        assert names[event.run_id] == "r" + payload["stdout"]["head"].strip()

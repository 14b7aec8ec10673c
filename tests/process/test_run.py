"""Whatever a command does, `run` returns how it ended and leaves nothing behind."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import ToolMissingError
from pytest_verlcompat.process.redact import make_redactor
from pytest_verlcompat.process.run import MARK, Ended, Limits, marked_processes, run
from tests.processes import is_gone
from tests.tiny import python_path

if TYPE_CHECKING:
    from pathlib import Path


def _python(code: str, folder: Path, *, timeout_s: float = 20.0, **more: object) -> Ended:
    """Run *code* in a fresh interpreter; *more* goes to `run`."""
    limits = more.pop("limits", Limits(timeout_s=timeout_s, leave_s=0.5))
    return run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={"PATH": os.environ["PATH"]},
        cwd=folder,
        limits=limits,  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )


def _wait_for(path: Path, *, timeout_s: float = 10.0) -> str:
    until = time.monotonic() + timeout_s
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < until, f"{path.name} was never written"
        time.sleep(0.02)
    return path.read_text().strip()


def test_exit_status_and_output_are_reported(tmp_path: Path) -> None:
    """An ordinary end gives status, tail, size, and the digest of the log that was written."""
    log = tmp_path / "logs" / "log"

    ended = _python("print('out'); import sys; sys.exit(3)", tmp_path, log=log)

    assert ended.exit_status == 3
    assert ended.signal is None
    assert not ended.timed_out
    assert ended.tail == "out"
    assert ended.output_bytes == 4
    assert ended.log_bytes == 4
    assert ended.log_sha256 == hashlib.sha256(log.read_bytes()).hexdigest()


def test_standard_error_joins_the_log_in_order(tmp_path: Path) -> None:
    """Both streams go to one log, so a reader sees them as a terminal would show them."""
    code = "import os; os.write(1, b'a\\n'); os.write(2, b'b\\n'); os.write(1, b'c\\n')"

    ended = _python(code, tmp_path)

    assert ended.tail == "a\nb\nc"


def test_output_file_keeps_standard_output_as_it_is(tmp_path: Path) -> None:
    """Machine-readable output is kept raw, apart from the messages, and is not redacted."""
    output = tmp_path / "output"
    code = "import os; os.write(1, b'{\\xff secret}'); os.write(2, b'secret message\\n')"

    ended = _python(
        code, tmp_path, output=output, redact=lambda line: line.replace("secret", "***")
    )

    assert output.read_bytes() == b"{\xff secret}"
    assert ended.tail == "*** message"


def test_environment_is_the_given_one_and_nothing_else(tmp_path: Path) -> None:
    """Nothing of ours leaks into the command but the mark that finds its descendants."""
    code = "import os; print(sorted(set(os.environ) - {'LC_CTYPE', '__CF_USER_TEXT_ENCODING'}))"

    ended = _python(code, tmp_path)

    assert ended.tail == str(sorted(["PATH", MARK]))


def test_standard_input_is_empty(tmp_path: Path) -> None:
    """A command that asks a question gets the end of the file and does not wait."""
    ended = _python("import sys; print(repr(sys.stdin.read()))", tmp_path)

    assert ended.tail == "''"


def test_missing_program_is_a_tool_error_that_names_it(tmp_path: Path) -> None:
    """A program that is not there is a mistake of the caller, not an outcome."""
    with pytest.raises(ToolMissingError, match="no-such-tool: cannot start: No such file"):
        run(["/no-such-tool"], env={}, cwd=tmp_path, limits=Limits(timeout_s=5))


def test_file_that_is_not_executable_is_a_tool_error(tmp_path: Path) -> None:
    """A program without the permission to run is told apart from a command that fails."""
    path = tmp_path / "tool"
    path.write_text("#!/bin/sh\n")

    with pytest.raises(ToolMissingError, match="Permission denied"):
        run([path], env={}, cwd=tmp_path, limits=Limits(timeout_s=5))


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("import os; os.abort()", "SIGABRT"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("import os; os.kill(os.getpid(), 40)", "signal 40"),
    ],
)
def test_signal_is_named_and_there_is_no_exit_status(tmp_path: Path, code: str, name: str) -> None:
    """A crash is told from an exit status, by the name of its signal."""
    ended = _python(code, tmp_path)

    assert ended.signal == name
    assert ended.exit_status is None


def test_hang_ends_at_the_deadline_with_its_grandchild(tmp_path: Path) -> None:
    """When time is up the whole group is killed, not the command alone."""
    code = """
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open("child", "w").write(str(child.pid))
        time.sleep(600)
    """

    ended = _python(code, tmp_path, timeout_s=3.0)

    assert ended.timed_out
    assert ended.signal == "SIGKILL"
    assert 3.0 <= ended.duration_s < 30.0
    assert is_gone(int((tmp_path / "child").read_text()), leave_s=2.0)


def test_hang_that_ignores_everything_writes_its_stacks_first(tmp_path: Path) -> None:
    """With *stacks_signal* a command that ran out of time may say where it is."""
    code = """
        import faulthandler, signal, time
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        def stuck_here():
            time.sleep(600)
        stuck_here()
    """

    ended = _python(code, tmp_path, limits=Limits(timeout_s=3.0, stacks_signal=True))

    assert ended.timed_out
    assert "stuck_here" in ended.tail


def test_silent_command_that_closed_its_output_still_has_a_deadline(tmp_path: Path) -> None:
    """Without a pipe to read from, the deadline holds all the same."""
    code = "import os, time; os.close(1); os.close(2); time.sleep(600)"

    ended = _python(code, tmp_path, timeout_s=0.8)

    assert ended.timed_out


@pytest.mark.parametrize("line", ["b'x' * 65536", "b'some words\\n' * 4096"])
def test_flood_is_ended_and_the_log_stays_bounded(tmp_path: Path, line: str) -> None:
    """Output beyond the limit ends the command; the log holds 4 MiB at the most, and its tail."""
    log = tmp_path / "log"
    code = f"import os\nchunk = {line}\nwhile True:\n    os.write(1, chunk)"
    limits = Limits(timeout_s=30.0, output_bytes=8 << 20)

    ended = _python(code, tmp_path, limits=limits, log=log)

    assert ended.flooded
    assert not ended.timed_out
    assert ended.output_bytes > 8 << 20
    assert log.stat().st_size == ended.log_bytes <= (4 << 20) + (1 << 15)
    assert len(ended.tail) <= 8 << 10


def test_flood_on_standard_error_alone_does_not_hang(tmp_path: Path) -> None:
    """A child that fills the stream nobody looks at is read like any other."""
    code = "import os\nfor _ in range(64):\n    os.write(2, b'e' * 65535 + b'\\n')"

    ended = _python(code, tmp_path)

    assert ended.exit_status == 0
    assert ended.output_bytes == 64 * 65536


@pytest.mark.parametrize("new_session", [False, True])
def test_child_left_behind_is_counted_and_killed(tmp_path: Path, *, new_session: bool) -> None:
    """A descendant that lives on is found even in a session of its own."""
    code = f"""
        import subprocess, sys
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"],
            start_new_session={new_session},
        )
        open("child", "w").write(str(child.pid))
    """

    ended = _python(code, tmp_path)

    assert ended.exit_status == 0
    assert ended.left_processes == 1
    assert is_gone(int((tmp_path / "child").read_text()), leave_s=2.0)


def test_child_that_leaves_in_time_is_not_counted(tmp_path: Path) -> None:
    """Helpers that end shortly after the command are none of anybody's business."""
    code = """
        import subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.3)"])
    """

    ended = _python(code, tmp_path, limits=Limits(timeout_s=20, leave_s=10))

    assert ended.left_processes == 0


_INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have us ignore it
from pathlib import Path
from pytest_verlcompat.process.run import Limits, run
folder = Path(sys.argv[1])
run(
    [sys.executable, "-c", (folder / "command.py").read_text()],
    env={}, cwd=folder, limits=Limits(timeout_s=60, leave_s=30),
)
"""
_CHILD_STAYS = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                         start_new_session=True)
open("pids.new", "w").write(f"{os.getpid()} {child.pid}")
os.rename("pids.new", "pids")
"""


@pytest.mark.parametrize("after", ["time.sleep(600)", "pass"], ids=["running", "leaving"])
def test_ctrl_c_leaves_no_process_behind(tmp_path: Path, after: str) -> None:
    """An interrupt kills the command and its descendants, also while those are waited for."""
    (tmp_path / "command.py").write_text(_CHILD_STAYS + after)
    ours = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED, tmp_path],
        env={**os.environ, "PYTHONPATH": python_path()},
        stderr=subprocess.PIPE,
    )
    command, child = map(int, _wait_for(tmp_path / "pids").split())
    if after == "pass":
        while not is_gone(command, leave_s=2.0):
            time.sleep(0.02)
        time.sleep(0.3)

    ours.send_signal(signal.SIGINT)
    _, said = ours.communicate(timeout=20)

    assert b"KeyboardInterrupt" in said
    assert is_gone(command, leave_s=2.0)
    assert is_gone(child, leave_s=2.0)


def test_mark_finds_only_its_own_processes(tmp_path: Path) -> None:
    """A mark nobody carries finds nothing, so nobody else is ever killed."""
    assert marked_processes("a-mark-that-nobody-has") == []


def test_log_of_a_real_command_is_redacted(tmp_path: Path) -> None:
    """A secret of the caller's environment is neither in the log nor in the tail."""
    log = tmp_path / "log"
    redact = make_redactor({"HF_TOKEN": "canary-value-1"})

    ended = _python("print('it is canary-value-1')", tmp_path, log=log, redact=redact)

    assert "canary" not in log.read_text()
    assert ended.tail == "it is <redacted>"

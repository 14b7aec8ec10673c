"""What an owner left behind when it was killed is told from what is still being watched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pytest_verlcompat.process.mark import MARK, end_orphans, make_mark, marked_processes
from tests.processes import is_gone
from tests.tiny import python_path

_OWNER = """
import os, signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from pytest_verlcompat.process.run import Limits, run
code = "import os, time; open('pid.new', 'w').write(str(os.getpid())); " \
    "os.rename('pid.new', 'pid'); time.sleep(600)"
run([sys.executable, "-c", code], env={}, cwd=Path(sys.argv[1]), limits=Limits(timeout_s=600))
"""

_BUSY = """
import os, sys
from pathlib import Path
from pytest_verlcompat.process.run import Limits, run
for _ in range(3):
    run(["/bin/true"], env={}, cwd=Path(sys.argv[1]), limits=Limits(timeout_s=600))
children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
print(children, flush=True)
sys.stdin.read()
"""


def _start(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Return a process of ours and the id of the one that it watches."""
    folder.mkdir()
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(folder)],
        env={**os.environ, "PYTHONPATH": python_path()},
    )
    until = time.monotonic() + 30
    while not (folder / "pid").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    return owner, int((folder / "pid").read_text())


def test_process_of_a_killed_owner_is_ended_and_that_of_a_living_one_is_not(
    tmp_path: Path,
) -> None:
    """Kill -9 lets nobody tidy up, so its companion does."""
    dead, orphan = _start(tmp_path / "dead")
    living, watched = _start(tmp_path / "living")

    dead.send_signal(signal.SIGKILL)
    dead.wait()

    assert is_gone(orphan, leave_s=10.0)
    os.kill(watched, 0)
    living.send_signal(signal.SIGINT)
    living.wait(timeout=30)
    assert is_gone(watched, leave_s=10.0)


def test_companion_goes_with_its_owner_and_holds_nothing_open(tmp_path: Path) -> None:
    """One for each process that runs commands, however many; a pipe of the owner's ends with it."""
    owner = subprocess.Popen(
        [sys.executable, "-c", _BUSY, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": python_path()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert owner.stdout is not None
    (companion,) = map(int, owner.stdout.readline().split())

    out, _ = owner.communicate(timeout=30)

    assert out == b""
    assert owner.returncode == 0
    assert is_gone(companion, leave_s=10.0)


def test_what_a_companion_missed_is_ended_by_the_next_run() -> None:
    """Where a whole container was killed there is nobody left to do it at once."""
    owner = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    fields = Path(f"/proc/{owner.pid}/stat").read_text().rpartition(")")[2].split()
    parts = [str(owner.pid), fields[19], *make_mark().split("-")[2:]]
    process = subprocess.Popen(["/bin/sleep", "600"], env={MARK: "-".join(parts)})
    owner.kill()  # and nobody reaps it, as init may not for a while
    until = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < until:
        end_orphans()

    assert process.returncode == -signal.SIGKILL
    owner.communicate()


def test_process_of_another_namespace_is_left_alone() -> None:
    """Its owner's number means nothing here."""
    pid, started, _, rest = make_mark().split("-")
    foreign = f"{int(pid) + 1}-{started}-1-{rest}"
    process = subprocess.Popen(["/bin/sleep", "600"], env={MARK: foreign})
    try:
        until = time.monotonic() + 10
        while not marked_processes(foreign) and time.monotonic() < until:
            time.sleep(0.02)

        end_orphans()

        assert marked_processes(foreign) == [process.pid]
    finally:
        process.kill()
        process.wait()

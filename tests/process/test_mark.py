"""What an owner left behind when it was killed is told from what is still being watched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pytest_verlcompat.process.mark import MARK, end_orphans, make_mark, marked_processes
from tests.tiny import python_path

_OWNER = """
import os, sys
from pathlib import Path
from pytest_verlcompat.process.run import Limits, run
code = "import os, time; open('pid.new', 'w').write(str(os.getpid())); " \
    "os.rename('pid.new', 'pid'); time.sleep(600)"
run([sys.executable, "-c", code], env={}, cwd=Path(sys.argv[1]), limits=Limits(timeout_s=600))
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


def _is_gone(pid: int) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_process_of_a_killed_owner_is_ended_and_that_of_a_living_one_is_not(
    tmp_path: Path,
) -> None:
    """Kill -9 lets nobody tidy up, so the next one does."""
    dead, orphan = _start(tmp_path / "dead")
    living, watched = _start(tmp_path / "living")
    dead.send_signal(signal.SIGKILL)
    dead.wait()

    count = end_orphans()

    assert count >= 1
    assert _is_gone(orphan)
    os.kill(watched, 0)
    living.send_signal(signal.SIGINT)
    living.wait(timeout=30)
    assert _is_gone(watched)


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

"""Run a program of this interpreter, and end it once a worker of its engine has failed for good.

verl waits without bound for a worker of vLLM's that raised: the run would take its whole
deadline and its log would end with nothing. Called as ``python _watched_run.py ARGUMENTS``: what
follows is given to this interpreter. Its output is passed on; the exit status is the program's,
or ``GAVE_UP`` after a last line that names the worker's exception.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from typing import Any

GAVE_UP = 70
GRACE_S = 15.0
"""How long a program may take to end by itself after a worker of its engine failed."""
_POLL_S = 0.5
_FAILED = re.compile(r"WorkerProc hit an exception|Scheduler hit an exception|EngineCore .*fatal")
_MOVED = re.compile(r"\bstep:\d+ - (?=\S+:)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PREFIX = re.compile(
    r"^(?:\([^)]*\bpid=\d+[^)]*\)\s?)*(?:(?:ERROR|WARNING|INFO) \S+ \S+ \[[^\]]+\] ?)?"
)
_FRAME = re.compile(r'\s+File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)')
_RAISED = re.compile(r"(?P<kind>[A-Za-z_][\w.]*)(?:: (?P<text>.*))?$")


class Watcher:
    """What the lines of a log say of the engine's workers, read one after another."""

    def __init__(self) -> None:
        self.failed_at: float | None = None
        """When a worker failed that no later step followed; None if none did."""
        self.cause: str | None = None
        """The exception of the first worker that failed, and where it was raised."""
        self._frame = ""
        self._inside = False

    def read(self, line: str, *, now: float) -> None:
        """Take in the next *line*, which came at *now* seconds."""
        text = _PREFIX.sub("", _COLOUR.sub("", line).rstrip())
        if _MOVED.search(text):
            self.failed_at, self.cause, self._inside = None, None, False
        elif _FAILED.search(text):
            self.failed_at = self.failed_at or now
        elif self.failed_at is not None and self.cause is None:
            self._read_traceback(text)

    def _read_traceback(self, text: str) -> None:
        if text.startswith("Traceback"):
            self._inside = True
        elif frame := _FRAME.match(text):
            self._frame = f"{frame['file']}:{frame['line']} in {frame['function']}"
        elif self._inside and (raised := _RAISED.match(text)):
            said = f" ({raised['text']})" if raised["text"] else ""
            self.cause = f"{raised['kind']}{said} from {self._frame}"


def main(arguments: list[str]) -> int:
    """Return the program's exit status, or ``GAVE_UP``."""
    isolated = ["-I"] if sys.flags.isolated else []
    program = subprocess.Popen(
        [sys.executable, *isolated, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    watcher = Watcher()
    if _relay(program, watcher):
        return program.wait()
    program.send_signal(signal.SIGKILL)
    program.wait()
    waited = f"and the trainer waited {GRACE_S:.0f} s for its answer"
    sys.stdout.write(f"\nEngineWorkerError: a worker raised {watcher.cause}, {waited}\n")
    sys.stdout.flush()
    return GAVE_UP


def _relay(program: Any, watcher: Watcher) -> bool:
    """Pass the output on; return False if the program hangs on a failed worker."""
    os.set_blocking(program.stdout.fileno(), False)
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(program.stdout, selectors.EVENT_READ)
        while True:
            over = program.poll() is not None
            chunk = program.stdout.read() if selector.select(timeout=_POLL_S) else None
            if chunk:
                sys.stdout.buffer.write(chunk)
                sys.stdout.flush()
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    watcher.read(line.decode("utf-8", "replace"), now=time.monotonic())
            elif chunk == b"":
                time.sleep(_POLL_S)  # closed, but the program may live on
            if over:
                return True
            failed_at = watcher.failed_at
            if failed_at is not None and time.monotonic() > failed_at + GRACE_S:
                return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Run one command to its end, whatever it does: hang, crash, flood its output, leave children.

The command gets its own session. Its output is read by this process and written to the log
line by line, redacted, up to a limit; nothing is ever read from a terminal. When the command
is over, whatever it left behind is found by a mark in the environment that children inherit
even when they leave the process group, and killed.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import ToolMissingError
from pytest_verlcompat.process.keeper import start_keeper
from pytest_verlcompat.process.log import Log
from pytest_verlcompat.process.mark import MARK, make_mark, marked_processes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_CHUNK_BYTES = 1 << 16
_STACKS_S = 1.0
"""How long a command that ran out of time has to write its stacks after SIGUSR1."""
_GONE_S = 2.0
"""How long to wait until killed descendants are gone; memory of a device is freed only then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command came to its end."""

    exit_status: int | None
    """``None`` when a signal ended it."""
    signal: str | None
    """Name of the signal that ended it, ours included."""
    timed_out: bool
    flooded: bool
    left_processes: int
    """Descendants that lived on after it ended, and were killed."""
    duration_s: float
    """Wall clock from start to end of the command itself."""
    output_bytes: int
    """Bytes it wrote, those beyond the limit included."""
    log_sha256: str | None
    log_bytes: int
    tail: str
    """The last lines it wrote, redacted, at most 8 KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a command may use."""

    timeout_s: float
    output_bytes: int = 64 << 20
    """More output than this ends it."""
    leave_s: float = 5.0
    """How long descendants have to go by themselves after the command has ended."""
    stacks_signal: bool = False
    """Send SIGUSR1 first when time is up: the probe runner answers with its stacks."""


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str],
    cwd: Path,
    limits: Limits,
    log: Path | None = None,
    output: Path | None = None,
    stdin: Path | None = None,
    redact: Callable[[str], str] = str,
) -> Ended:
    """Return how the command *argv* ended.

    Args:
        env: The whole environment of the command; nothing of ours is added but the mark.
        log: File its redacted output goes to; ``None`` keeps the tail only.
        output: File its standard output goes to, as it is; the log then holds its messages alone.
        stdin: File it reads from; nothing by default.
        redact: Applied to every line before it is kept or written.

    Raises:
        ToolMissingError: If the program does not exist or cannot be executed.
        KeyboardInterrupt: After the whole process group was killed.
    """
    start_keeper()
    mark = make_mark()
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Log(log, redact=redact))
        target = stack.enter_context(output.open("wb")) if output else None
        source = stack.enter_context(stdin.open("rb")) if stdin else None
        try:
            process = subprocess.Popen(
                [os.fspath(word) for word in argv],
                env={**env, MARK: mark},
                cwd=cwd,
                stdin=source or subprocess.DEVNULL,
                stdout=target or subprocess.PIPE,
                stderr=subprocess.PIPE if target else subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ToolMissingError(f"cannot start: {error.strerror}", where=str(argv[0])) from error
        stack.callback(_close, process)
        stack.callback(end, process, mark)  # an interrupt at any time leaves nothing behind
        timed_out, flooded = _pump(process, sink, started=started, limits=limits)
        if timed_out and limits.stacks_signal:
            _ask_for_stacks(process, sink)
        if timed_out or flooded:
            _kill_group(process)
        status = process.wait()
        duration_s = time.monotonic() - started
        left = 0 if timed_out or flooded else _wait_for_leaving(mark, limits.leave_s)
    return Ended(
        exit_status=status if status >= 0 else None,
        signal=signal_name(-status) if status < 0 else None,
        timed_out=timed_out,
        flooded=flooded,
        left_processes=left,
        duration_s=duration_s,
        output_bytes=sink.seen_bytes,
        log_sha256=sink.sha256,
        log_bytes=sink.written_bytes,
        tail=sink.tail,
    )


def _pump(
    process: subprocess.Popen[bytes], sink: Log, *, started: float, limits: Limits
) -> tuple[bool, bool]:
    """Read the output until the command is over; return whether it timed out or flooded."""
    pipe = _pipe(process)
    os.set_blocking(pipe, False)
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            left_s = started + limits.timeout_s - time.monotonic()
            if left_s <= 0:
                return True, False
            # A child that lives on may hold the pipe open, so the end of the command counts.
            ready = selector.select(timeout=min(left_s, 0.05))
            open_still = _drain(pipe, sink) if ready else True
            if sink.seen_bytes > limits.output_bytes:
                return False, True
            if process.poll() is not None:
                _drain(pipe, sink)
                return False, False
            if not open_still:
                return _wait_silently(process, started + limits.timeout_s), False


def _wait_silently(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Wait for a command that closed its output; return whether time ran out."""
    try:
        process.wait(timeout=max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return True
    return False


def _drain(pipe: int, sink: Log) -> bool:
    """Move what is there to *sink*; return whether the pipe is still open."""
    for _ in range(64):  # then look at the clock again
        try:
            chunk = os.read(pipe, _CHUNK_BYTES)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        sink.feed(chunk)
    return True


def _ask_for_stacks(process: subprocess.Popen[bytes], sink: Log) -> None:
    """Give the command a moment to write where each of its threads is."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGUSR1)
    until = time.monotonic() + _STACKS_S
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.05)
        if not _drain(_pipe(process), sink):
            return


def _wait_for_leaving(mark: str, leave_s: float) -> int:
    """Return how many marked processes are still there after *leave_s* at the most."""
    until = time.monotonic() + leave_s
    while left := marked_processes(mark):
        if time.monotonic() >= until:
            return len(left)
        time.sleep(0.1)
    return 0


def end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill what is left of a command and of its descendants; wait a moment until it is gone."""
    _kill_group(process)
    until = time.monotonic() + _GONE_S
    while left := marked_processes(mark):
        for each in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(each, signal.SIGKILL)
        if time.monotonic() >= until:
            return
        time.sleep(0.02)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _pipe(process: subprocess.Popen[bytes]) -> int:
    pipe = process.stdout or process.stderr
    assert pipe is not None  # noqa: S101 -- Popen was told to open one of them
    return pipe.fileno()


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    process.wait()


def signal_name(number: int) -> str:
    """Return ``SIGKILL`` for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

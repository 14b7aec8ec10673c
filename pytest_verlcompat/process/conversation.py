"""Talk with a process of the environment under test: one question, one answer, a deadline each.

The process is told by two file descriptors where to read questions and write answers, one JSON
object a line; what it prints is a log. It is a session of its own and carries the mark of
`process.run`, so that closing the conversation ends it with everything it started.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import time
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import ConversationError, ToolMissingError
from pytest_verlcompat.process.mark import MARK, make_mark, marked_processes
from pytest_verlcompat.process.run import end, signal_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

_TAIL_BYTES = 8 << 10
_LEAVE_S = 15.0
_POLL_S = 0.05
_LOOK_S = 0.5
_CHUNK_BYTES = 1 << 16


class Conversation:
    """A process that answers; ``with`` ends it.

    Args:
        argv: Its command; the numbers of the two descriptors are added as the last two words.
        env: Its whole environment, but for the mark.
        log: File its output goes to.
        redact: Applied to what is quoted of the log.

    Raises:
        ToolMissingError: If the program does not exist or cannot be executed.
    """

    def __init__(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log: Path,
        redact: Callable[[str], str] = str,
    ) -> None:
        self.log = log
        self._redact = redact
        self._mark = make_mark()
        self._rest = b""
        self._closed = False
        their_input, self._questions = os.pipe()
        self._answers, their_output = os.pipe()
        try:
            with log.open("wb") as sink:
                self._process = subprocess.Popen(
                    [*(os.fspath(word) for word in argv), str(their_input), str(their_output)],
                    env={**env, MARK: self._mark},
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    pass_fds=(their_input, their_output),
                    start_new_session=True,
                )
        except OSError as error:
            os.close(self._questions)
            os.close(self._answers)
            raise ToolMissingError(f"cannot start: {error.strerror}", where=str(argv[0])) from error
        finally:
            os.close(their_input)
            os.close(their_output)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, question: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """Return the answer to *question*; both are JSON objects.

        Raises:
            ConversationError: If none came in time or the process ended; it is ended then.
        """
        if self._closed:
            raise ConversationError("the conversation is closed", tail=self.tail())
        try:
            os.write(self._questions, json.dumps(question).encode() + b"\n")
            line = self._read_line(time.monotonic() + timeout_s)
        except BrokenPipeError:
            line = None
        if line is None:
            said = self._how_it_ended(timeout_s)
            self.close(leave_s=0.0)
            raise ConversationError(said, tail=self.tail())
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            self.close(leave_s=0.0)
            raise ConversationError("answered what is no JSON object", tail=self.tail())
        return answer

    def close(self, *, leave_s: float = _LEAVE_S) -> int:
        """Return how many processes had to be killed after *leave_s* to go by themselves."""
        if self._closed:
            return 0
        self._closed = True
        os.close(self._questions)  # end of file is the sign to leave
        until = time.monotonic() + leave_s
        while (left := self._left()) and time.monotonic() < until:
            time.sleep(_POLL_S)
        end(self._process, self._mark)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_LEAVE_S)
        os.close(self._answers)
        return left

    def tail(self) -> str:
        """Return the last lines that were printed, redacted, at most 8 KiB."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
                return self._redact(file.read().decode("utf-8", errors="replace"))
        except OSError:
            return ""

    def _left(self) -> int:
        if self._process.poll() is None:
            return max(1, len(marked_processes(self._mark)))
        return len(marked_processes(self._mark))

    def _read_line(self, deadline: float) -> bytes | None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return None
                if not selector.select(timeout=min(left_s, _LOOK_S)):
                    # Its children may hold the pipe open when it is gone.
                    if self._process.poll() is not None:
                        return None
                    continue
                chunk = os.read(self._answers, _CHUNK_BYTES)
                if not chunk:
                    return None
                self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _how_it_ended(self, timeout_s: float) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
        status = self._process.returncode
        if status is None:
            return f"gave no answer in {timeout_s:.0f} s"
        if status < 0:
            return f"ended by {signal_name(-status)} without an answer"
        return f"exited with status {status} and no answer"

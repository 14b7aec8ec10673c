"""Work that fixtures have done in the environment under test, which is not imported here."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.errors import ConversationError
from pytest_verlcompat.probes.host import find_lack
from pytest_verlcompat.probes.registry import RUNNER
from pytest_verlcompat.process.conversation import Conversation
from pytest_verlcompat.process.environ import probe_environ
from pytest_verlcompat.process.redact import make_redactor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.plugin.stack import VerlStack

PARTS = str(RUNNER.parent)
"""Where the scripts find what probes are made of."""

_SCRIPTS = Path(__file__).parent / "scripts"
_TALK = _SCRIPTS / "_talk.py"
_DETAIL_LINES = 20


class StackError(Exception):
    """The stack under test failed at what a fixture asked of it."""


class Worker:
    """A process of the environment under test that has one script loaded."""

    def __init__(self, conversation: Conversation, *, script: str, deadline_s: float) -> None:
        self._conversation = conversation
        self._script = script
        self._deadline_s = deadline_s

    def call(self, function: str, /, *, timeout_s: float | None = None, **arguments: Any) -> Any:  # noqa: ANN401 -- JSON values
        """Return what the script's *function* returns for JSON *arguments*.

        What the host or the environment lacks skips the test.

        Raises:
            StackError: If it raises, ends the process, or takes longer than *timeout_s*.
        """
        __tracebackhide__ = True
        question = {"call": function, "with": arguments}
        try:
            reply = self._conversation.ask(question, timeout_s=timeout_s or self._deadline_s)
        except ConversationError as error:
            if lack := find_lack(error.tail):
                pytest.skip(f"host lacks {lack}")
            tail = "\n".join(error.tail.splitlines()[-_DETAIL_LINES:])
            raise StackError(f"{self._script}: {error.message}\n{tail}") from error
        cause = reply.get("cause")
        if cause is not None:
            raise_cause(self._script, cause)
        answer = reply.get("answer")
        lacks = answer.get("lacks") if isinstance(answer, dict) else None
        if lacks:
            pytest.skip(f"this environment lacks {', '.join(lacks)}")
        return answer


def raise_cause(script: str, cause: dict[str, Any]) -> None:
    """Raise what the stack raised, or skip where the host is what it lacks.

    Raises:
        StackError: With the exception's kind, first line, place and last frames.
    """
    __tracebackhide__ = True
    detail = "\n".join(cause.get("detail") or ())
    said = f"{cause['kind']}: {cause['first_line']}"
    if lack := find_lack(f"{said}\n{detail}"):
        pytest.skip(f"host lacks {lack}")
    frame = cause.get("frame") or {}
    place = f"\nat {frame['file']}:{frame['line']}" if frame else ""
    raise StackError(f"{script}: {said}{place}\n{detail}")


@contextlib.contextmanager
def working(
    stack: VerlStack, script: str, *, deadline_s: float, devices: str | None = None
) -> Iterator[Worker]:
    """Keep a process of *stack* with *script* loaded; end it with all it started.

    Args:
        devices: Value of ``CUDA_VISIBLE_DEVICES``; ``None`` passes the caller's on.
    """
    # Short, and not below the checkout: Ray's sockets live in it and may be 107 bytes long.
    with tempfile.TemporaryDirectory(prefix="vc-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        home, scratch = folder / "home", folder / "s"
        home.mkdir()
        scratch.mkdir()
        env = probe_environ(os.environ, home=home, scratch=scratch, keep_stack=True)
        if (stack.python.parent.parent / "pyvenv.cfg").exists():
            env["PATH"] = os.pathsep.join([str(stack.python.parent), env.get("PATH", os.defpath)])
        if devices is not None:
            env.update(CUDA_VISIBLE_DEVICES=devices, CUDA_DEVICE_ORDER="PCI_BUS_ID")
        conversation = Conversation(
            [stack.python, _TALK, RUNNER, _SCRIPTS / f"{script}.py"],
            env=env,
            cwd=scratch,
            log=folder / "log",
            redact=make_redactor(os.environ, places={"environment": stack.python.parent.parent}),
        )
        with conversation:
            yield Worker(conversation, script=script, deadline_s=deadline_s)

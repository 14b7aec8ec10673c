"""Do one piece of work beside this process, on another core, and take its reply later.

For work that reads files and computes: the child is a copy of this process that never returns
from it. Where there can be no such copy, or it leaves no reply, the work is done here.
"""

from __future__ import annotations

import gc
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

_WHOLE = b"."
"""Ends a reply, so that one that was cut is told from a short one."""


def begin_aside(work: Callable[[], bytes]) -> Callable[[], bytes]:
    """Return a function that returns what *work* does; meanwhile that is done in a child.

    What *work* raises is raised by the function that is returned, because it is done again here.
    """
    if not hasattr(os, "fork") or threading.active_count() > 1:
        return work  # a copy of a process with threads may wait for ever for what they held
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        _be_child(work, source=source, sink=sink)
    os.close(sink)

    def reply() -> bytes:
        with os.fdopen(source, "rb") as stream:
            body = stream.read()
        os.waitpid(child, 0)
        return body[: -len(_WHOLE)] if body.endswith(_WHOLE) else work()

    return reply


def _be_child(work: Callable[[], bytes], *, source: int, sink: int) -> NoReturn:
    # Whatever happens, nothing of the parent's is flushed, closed or handled a second time.
    gc.disable()  # it ends before what it leaves behind would matter
    try:
        os.close(source)
        with suppress(BaseException), os.fdopen(sink, "wb") as stream:
            stream.write(work() + _WHOLE)
    finally:
        os._exit(0)

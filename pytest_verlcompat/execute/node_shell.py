"""Run the agent inside a Ray task: unpack the code, start it apart, pass on what it says.

Ray sends this module by value, so it uses the standard library alone and nothing of ours is
installed on the nodes. What is started here knows nothing of the Ray that started it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

_POLL_S = 0.2
_LEAVE_S = 10.0
_TAIL_BYTES = 4096
_OF_RAY = ("RAY_", "PYTHON")


def carry(spec: str, code: bytes, settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the agent says about the task *spec*, a line of JSON each, as it says it.

    Args:
        code: A zip archive with ``__main__.py``.
        settings: ``folder`` on this node, ``words`` for the agent, and ``node``, its name.
    """
    folder = Path(settings["folder"]).expanduser()
    program = unpack_code(code, folder / "code")
    yield json.dumps({"started": settings["node"], "now": time.time()})
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-I", str(program), *settings["words"], "--folder", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=cell_environ(os.environ),
            start_new_session=True,
        )
        try:
            ended = yield from _listen(process, spec)
        finally:
            _end(process)
        if not ended:
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - _TAIL_BYTES))
            tail = errors.read().decode(errors="replace").strip()
            yield json.dumps({"lost": f"the agent ended with {process.returncode}: {tail}"})


def cell_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return *environ* without what would lead a Ray in a cell to the one that runs the cell.

    Nor is it told that there are no GPUs, as Ray tells a task that asked for none.
    """
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(_OF_RAY) and (value or name != "CUDA_VISIBLE_DEVICES")
    }


def unpack_code(code: bytes, folder: Path) -> Path:
    """Return the program in the archive *code*, which is unpacked once for a node."""
    place = folder / hashlib.sha256(code).hexdigest()[:16]
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder))
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            archive.extractall(aside)
        try:
            aside.rename(place)
        except OSError:  # another task was faster
            if not place.exists():
                raise
    return place / "__main__.py"


def _listen(process: subprocess.Popen[bytes], spec: str) -> Generator[str, None, bool]:
    """Yield the lines; return whether the last one said how it ended."""
    assert process.stdin is not None  # noqa: S101 -- Popen was told to open both
    assert process.stdout is not None  # noqa: S101 -- the same
    with contextlib.suppress(BrokenPipeError):  # it says below why it ended
        process.stdin.write(spec.encode() + b"\n")
        process.stdin.flush()
    ended = False
    for line in _lines(process.stdout):
        ended = ended or line.startswith(('{"finished"', '{"lacks"'))
        yield line
    process.wait()
    return ended


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Yield whole lines, looking up often enough to notice that the task is cancelled."""
    os.set_blocking(stream.fileno(), False)
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            if not selector.select(timeout=_POLL_S):
                continue
            chunk = os.read(stream.fileno(), 1 << 16)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Cut the agent's lifeline; kill it if it does not go."""
    assert process.stdin is not None  # noqa: S101 -- Popen was told to open it
    try:
        process.stdin.close()
        process.wait(timeout=_LEAVE_S)
    except (subprocess.TimeoutExpired, BrokenPipeError):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

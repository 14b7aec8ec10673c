"""Put more lines in order than memory holds: sorted runs on the disk, read side by side."""

from __future__ import annotations

import contextlib
import heapq
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

RUN_BYTES = 32 << 20
"""Held in memory at once; a list of lines takes about twice that."""
_LINE_OVERHEAD_BYTES = 50


def sorted_lines(
    lines: Iterable[bytes], *, scratch: Path, run_bytes: int = RUN_BYTES
) -> Iterator[bytes]:
    """Yield the different *lines* in the order of their bytes, without their line ends.

    Args:
        lines: Without line ends, and without one inside.
        scratch: Existing folder for the runs; they are as large as *lines* altogether.

    Raises:
        OSError: If the disk takes no more.
    """
    with contextlib.ExitStack() as stack:
        runs: list[BinaryIO] = []
        held: list[bytes] = []
        size = 0
        for line in lines:
            held.append(line)
            size += len(line) + _LINE_OVERHEAD_BYTES
            if size >= run_bytes:
                runs.append(_write_run(held, stack, scratch / f"run-{len(runs)}"))
                held, size = [], 0
        held.sort()
        read = [(line.rstrip(b"\n") for line in run) for run in runs]
        before = None
        for line in heapq.merge(*read, held):
            if line != before:
                yield line
            before = line


def _write_run(held: list[bytes], stack: contextlib.ExitStack, path: Path) -> BinaryIO:
    held.sort()
    run = stack.enter_context(path.open("w+b"))
    path.unlink()  # it goes with this process, however that ends
    run.writelines(chain.from_iterable((line, b"\n") for line in held))
    run.flush()
    run.seek(0)
    return run

"""Loads extensions for real, beside the installed torch, in a process of their own.

Where the machine has no driver, a stub ``libcuda.so.1`` is compiled that defines the names
the extensions and their libraries ask for, each returning CUDA_ERROR_NO_DEVICE. With it a
load proves that the dynamic loader binds every other symbol; it proves nothing about the
driver, and no GPU code runs. Without a C compiler there is no stub, and nothing is claimed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import ElfFormatError, ToolMissingError
from pytest_verlcompat.process.run import Limits, run
from pytest_verlcompat.wheels.elf import parse_shared_object
from pytest_verlcompat.wheels.images import FileImage
from pytest_verlcompat.wheels.symbols import Origin, find_origin, origin_of_library

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NO_DEVICE = 100
_SCRIPT = """\
import ctypes, json, os, sys
control, libraries = sys.argv[1], sys.argv[2:]
import torch

def load(library):
    try:
        ctypes.CDLL(library, mode=os.RTLD_NOW)
    except OSError as caught:
        return str(caught)

for library in libraries:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(load(library)).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as stream:
        told = stream.read()
    _, status = os.waitpid(child, 0)
    error = json.loads(told) if told else None
    line = {"library": library, "error": error, "signal": status & 127 or None}
    with open(control, "a") as stream:
        stream.write(json.dumps(line) + "\\n")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """How loading one shared object ended."""

    library: str
    error: str | None
    """The loader's message; None when it bound every symbol."""
    signal: int | None = None
    """Signal that ended it in its initialisers, after every symbol was bound."""


def find_driver_names(libraries: Iterable[Path]) -> tuple[str, ...]:
    """Return the names that *libraries* ask of the driver's libcuda, sorted."""
    names: set[str] = set()
    for path in libraries:
        try:
            with FileImage(path) as image:
                found = parse_shared_object(image)
        except ElfFormatError:
            continue
        if any(origin_of_library(soname) is Origin.DRIVER for soname in found.needed):
            names |= {s.name for s in found.undefined if find_origin(s) is Origin.DRIVER}
    return tuple(sorted(names))


def build_driver_stub(folder: Path, *, names: Sequence[str], compiler: str | None = None) -> Path:
    """Return the folder in which a ``libcuda.so.1`` was compiled that defines *names*.

    Raises:
        ToolMissingError: If there is no C compiler, or it fails.
    """
    program = compiler or shutil.which("cc") or shutil.which("gcc")
    if program is None:
        raise ToolMissingError("no C compiler; install gcc, or load where a driver is", where="cc")
    source = folder / "libcuda.c"
    source.write_text("".join(f"int {name}(void) {{ return {_NO_DEVICE}; }}\n" for name in names))
    target = folder / "libcuda.so.1"
    ended = run(
        [
            program,
            "-shared",
            "-fPIC",
            "-fno-builtin",
            "-w",
            "-Wl,-soname,libcuda.so.1",
            "-o",
            target,
            source,
        ],
        env={"PATH": os.environ.get("PATH", "")},
        cwd=folder,
        limits=Limits(timeout_s=60),
    )
    if not target.is_file():
        raise ToolMissingError(f"cannot compile a stub: {ended.tail[-400:]}", where=program)
    return folder


def load_libraries(
    python: Path,
    libraries: Sequence[Path],
    *,
    folder: Path,
    stub: Path | None = None,
    environ: Mapping[str, str] | None = None,
    timeout_s: float = 300.0,
) -> tuple[LoadResult, ...]:
    """Return how loading each of *libraries* ended, after ``import torch`` under *python*.

    Each is loaded in a process of its own, forked after torch was imported. Fewer results
    than libraries come back if that import itself ends the process.

    Args:
        python: Interpreter of the environment under test.
        libraries: Shared objects, loaded in this order with RTLD_NOW, as Python does.
        folder: Scratch space.
        stub: Folder of a driver stub.
        environ: Environment of the process besides what is needed here.
        timeout_s: For all of them.
    """
    control = folder / "loaded.jsonl"
    control.unlink(missing_ok=True)
    paths = [str(stub)] if stub else []
    paths += [part for part in os.environ.get("LD_LIBRARY_PATH", "").split(":") if part]
    ended = run(
        [python, "-I", "-c", _SCRIPT, control, *libraries],
        env={
            "PATH": os.environ.get("PATH", ""),
            "LD_LIBRARY_PATH": ":".join(paths),
            "HOME": str(folder),
            **(environ or {}),
        },
        cwd=folder,
        limits=Limits(timeout_s=timeout_s),
    )
    lines = control.read_text().splitlines() if control.is_file() else []
    results = tuple(LoadResult(**json.loads(line)) for line in lines)
    if len(results) < len(libraries):
        end = ended.signal or f"exit status {ended.exit_status}"
        last = (ended.tail.strip().splitlines() or [""])[-1]
        lost = LoadResult(library=str(libraries[len(results)]), error=f"{end}: {last}")
        return (*results, lost)
    return results


def has_driver() -> bool:
    """Return whether this machine's loader finds a libcuda.so.1."""
    folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib/wsl/lib"]
    folders += os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return sys.platform == "linux" and any(
        Path(folder, "libcuda.so.1").exists() for folder in folders if folder
    )

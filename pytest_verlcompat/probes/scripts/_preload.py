"""Find the folders that must be on the loader's path for torch_memory_saver's library.

A process that is told to preload a library (``LD_PRELOAD``) whose own needs cannot be found
does not start at all.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

DRIVER = "libcuda.so.1"
CHILD = "print(*sorted({line.split()[-1] for line in open('/proc/self/maps')}), sep='\\n')"
CHILD_TIMEOUT_S = 30.0
ATTEMPTS = 5
MISSING = re.compile(r"(lib[^\s:]+): cannot open shared object file")


class Started(NamedTuple):
    """What it took to start a child with the library preloaded."""

    library: str
    """File name of the library."""
    mapped: list[str]
    """File names of the saver's libraries in the child."""
    missing: list[str]
    """Libraries that the loader did not find, in the order in which it said so."""
    folders: list[str]
    """Folders, relative to site-packages, that hold those of them which are not the driver's."""
    loader_said: str

    @property
    def path(self) -> str:
        """Value of ``LD_LIBRARY_PATH`` under which the child started."""
        site = Path(sysconfig.get_path("purelib"))
        known = [folder for folder in [os.environ.get("LD_LIBRARY_PATH", "")] if folder]
        return ":".join([*known, *(str(site / folder) for folder in self.folders)])


def start_child(scratch: Path) -> Started:
    """Return what a child started as SGLang starts its own mapped, and what the loader missed.

    Where the driver is missing, a stand-in of its name shows what else is.
    """
    import torch_memory_saver as saver

    with saver.configure_subprocess():
        library = Path(os.environ.get("LD_PRELOAD", "")).name
        return _start(scratch, library)


def _start(scratch: Path, library: str) -> Started:
    missing: list[str] = []
    folders: list[str] = []
    said = ""
    site = Path(sysconfig.get_path("purelib"))
    path = [folder for folder in [os.environ.get("LD_LIBRARY_PATH", "")] if folder]
    for _ in range(ATTEMPTS):
        child = subprocess.run(
            [sys.executable, "-I", "-c", CHILD],
            capture_output=True,
            text=True,
            timeout=CHILD_TIMEOUT_S,
            check=False,
            env={**os.environ, **({"LD_LIBRARY_PATH": ":".join(path)} if path else {})},
        )
        said = child.stderr.strip()[:500] or said
        lacking = find_missing(child.stderr)
        if lacking is None:
            child.check_returncode()
            lines = child.stdout.splitlines()
            mapped = [Path(line).name for line in lines if "torch_memory_saver" in line]
            return Started(library, mapped, missing, folders, said)
        missing.append(lacking)
        folder = _stand_in(scratch) if lacking == DRIVER else _holder(site, lacking)
        if lacking != DRIVER:
            folders.append(str(folder.relative_to(site)))
        path.append(str(folder))
    raise AssertionError(f"the child did not start: {said}")


def find_missing(text: str) -> str | None:
    """Return the library that the loader's message *text* says cannot be opened, or None."""
    found = MISSING.search(text)
    return found[1] if found else None


def _stand_in(scratch: Path) -> Path:
    """Return a folder with a library of the driver's name that defines nothing of CUDA."""
    folder = scratch / "driver"
    folder.mkdir()
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    harmless = next(line.split()[-1] for line in lines if re.search(r"/libm[.-]", line))
    (folder / DRIVER).symlink_to(harmless)
    return folder


def _holder(site: Path, library: str) -> Path:
    """Return the folder below *site* that holds *library*."""
    found = sorted(site.glob(f"nvidia/**/{library}"))
    if not found:
        raise AssertionError(f"{library} is neither on the loader's path nor in the environment")
    return found[0].parent

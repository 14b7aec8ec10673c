"""Establish that torch_memory_saver's preloaded library gets into the processes SGLang starts.

SGLang gives the memory of its weights and cache back while the trainer works, by a library that
must be loaded before CUDA's own (``LD_PRELOAD``). A process that is told to preload a library
whose own needs cannot be found does not start at all. This starts Python the way SGLang does,
inside ``configure_subprocess()``, and asks the child for the libraries mapped into it.

Passed: the library is mapped in the child and the variable is afterwards what it was before.
Conditional: the child starts only with folders of the environment on ``LD_LIBRARY_PATH``, which
are named: they hold CUDA's runtime, which the library wants from the loader's path. Without an
NVIDIA driver the probe is skipped; what else the loader misses it says all the same, by putting
a stand-in of the driver's name on the path.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

TITLE = "torch_memory_saver's library is preloaded into subprocesses, as SGLang starts them"
RUNG = "cpu"
DISTRIBUTIONS = ("sglang", "torch", "torch-memory-saver")
GPUS = 0
TIMEOUT_S = 120.0

DRIVER = "libcuda.so.1"
CHILD = "print(*sorted({line.split()[-1] for line in open('/proc/self/maps')}), sep='\\n')"
CHILD_TIMEOUT_S = 30.0
ATTEMPTS = 5
MISSING = re.compile(r"(lib[^\s:]+): cannot open shared object file")


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the library's name, what the child mapped, and what the loader missed."""
    import torch_memory_saver as saver

    facts = request["facts"]
    before = os.environ.get("LD_PRELOAD", "")
    with saver.configure_subprocess():
        facts["library"] = Path(os.environ.get("LD_PRELOAD", "")).name
        mapped = _start(Path(request["scratch"]), facts)
    if os.environ.get("LD_PRELOAD", "") != before:
        raise AssertionError(f"LD_PRELOAD was {before!r} and is {os.environ.get('LD_PRELOAD')!r}")
    facts["mapped"] = mapped
    if len(mapped) != 1:
        raise AssertionError(f"the child mapped {mapped or 'none'}: {facts['loader_said']}")
    if DRIVER in facts["missing"]:
        return {**facts, "lacks": [f"{DRIVER} (NVIDIA driver), which {facts['library']} needs"]}
    if facts["folders"]:
        folders = ":".join(facts["folders"])
        return {
            **facts,
            "condition": f"put {folders} of the environment on LD_LIBRARY_PATH: "
            f"{facts['library']} needs {', '.join(facts['missing'])}",
        }
    return dict(facts)


def _start(scratch: Path, facts: dict[str, Any]) -> list[str]:
    """Return the names of the saver's libraries in a child, adding folders until it starts."""
    facts.update(missing=[], folders=[], loader_said="")
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
        facts["loader_said"] = child.stderr.strip()[:500] or facts["loader_said"]
        missing = find_missing(child.stderr)
        if missing is None:
            child.check_returncode()
            lines = child.stdout.splitlines()
            return [Path(line).name for line in lines if "torch_memory_saver" in line]
        facts["missing"].append(missing)
        folder = _stand_in(scratch) if missing == DRIVER else _holder(site, missing)
        if missing != DRIVER:
            facts["folders"].append(str(folder.relative_to(site)))
        path.append(str(folder))
    raise AssertionError(f"the child did not start: {facts['loader_said']}")


def find_missing(text: str) -> str | None:
    """Return the library that the loader's message *text* says cannot be opened, or None."""
    found = MISSING.search(text)
    return found[1] if found else None


def _stand_in(scratch: Path) -> Path:
    """Return a folder with a library of the driver's name that defines nothing CUDA's."""
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

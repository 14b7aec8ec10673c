"""Establish that torch_memory_saver's preloaded library gets into the processes SGLang starts.

SGLang gives the memory of its weights and cache back while the trainer works, by a library that
must be loaded before CUDA's own. This starts Python the way SGLang does, inside
``configure_subprocess()``, and asks the child for the libraries mapped into it.

Passed: the library is mapped in the child and ``LD_PRELOAD`` is afterwards what it was before.
Conditional: the child starts only with folders of the environment on ``LD_LIBRARY_PATH``, which
are named: they hold CUDA's runtime, which the library wants from the loader's path. Without an
NVIDIA driver the probe is skipped; what else the loader misses it says all the same.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

TITLE = "torch_memory_saver's library is preloaded into subprocesses, as SGLang starts them"
RUNG = "cpu"
DISTRIBUTIONS = ("sglang", "torch", "torch-memory-saver")
GPUS = 0
TIMEOUT_S = 120.0


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the library's name, what the child mapped, and what the loader missed."""
    facts = request["facts"]
    preload = _sibling("_preload")
    before = os.environ.get("LD_PRELOAD", "")
    child = preload.start_child(Path(request["scratch"]))
    facts.update(child._asdict())
    if os.environ.get("LD_PRELOAD", "") != before:
        raise AssertionError(f"LD_PRELOAD was {before!r} and is {os.environ.get('LD_PRELOAD')!r}")
    if len(child.mapped) != 1:
        raise AssertionError(f"the child mapped {child.mapped or 'none'}: {child.loader_said}")
    if preload.DRIVER in child.missing:
        return {**facts, "lacks": [f"{preload.DRIVER} (NVIDIA driver), for {child.library}"]}
    if child.folders:
        wanted = f"{':'.join(child.folders)} of the environment on LD_LIBRARY_PATH"
        return {
            **facts,
            "condition": f"put {wanted}: {child.library} needs {', '.join(child.missing)}",
        }
    return dict(facts)


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

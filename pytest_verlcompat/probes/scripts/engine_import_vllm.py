"""Establish that vLLM's asynchronous engine and its OpenAI server can be imported.

Imports ``vllm.v1.engine.async_llm.AsyncLLM``, then the modules that vLLM's own command line
imports to serve: the target of its console script, the ``serve`` command beside it, every
``vllm.entrypoints`` module that the two import unconditionally, and the OpenAI server.

Passed: all of them import. Without an NVIDIA driver vLLM falls back to an unspecified platform
and leaves its compiled operators unloaded; then the operators' own message is a fact, not a
failure. Operators that do not load for any other reason are a failure.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE = "vLLM's AsyncLLM and its OpenAI server import"
RUNG = "cpu"
DISTRIBUTIONS = ("vllm",)
GPUS = 0
TIMEOUT_S = 300.0

DRIVER_LIBRARY = "libcuda.so.1"


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return seconds per imported module and what became of the compiled operators."""
    facts = request["facts"]
    facts["modules_s"] = {}
    module = _import("vllm.v1.engine.async_llm", facts["modules_s"])
    facts["engine"] = f"{module.AsyncLLM.__module__}.{module.AsyncLLM.__qualname__}"
    for name in _command_line_modules():
        _import(name, facts["modules_s"])
        for target in _named_modules(name, "vllm.entrypoints"):
            _import(target, facts["modules_s"])
    _import("vllm.entrypoints.openai.api_server", facts["modules_s"])
    platform = importlib.import_module("vllm.platforms").current_platform
    facts["platform"] = type(platform).__name__
    facts["operators"] = _operators()
    return dict(facts)


def _import(name: str, seconds: dict[str, float]) -> Any:
    """Import *name* and note how long that took, once."""
    started = time.monotonic()
    module = importlib.import_module(name)
    seconds.setdefault(name, round(time.monotonic() - started, 3))
    return module


def _command_line_modules() -> Iterator[str]:
    """Yield the module of the ``vllm`` console script and the ``serve`` command beside it."""
    entry_points = importlib.metadata.distribution("vllm").entry_points
    scripts = [point for point in entry_points if point.group == "console_scripts"]
    for point in scripts:
        if point.name == "vllm":
            yield point.module
            serve = f"{point.module.rpartition('.')[0]}.serve"
            if importlib.util.find_spec(serve) is not None:
                yield serve


def _named_modules(name: str, prefix: str) -> Iterator[str]:
    """Yield the modules under *prefix* that the source of module *name* imports, sorted."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    yield from sorted(set(find_imported_modules(tree, prefix)))


def find_imported_modules(tree: ast.Module, prefix: str) -> Iterator[str]:
    """Yield the modules under *prefix* that *tree* imports under no condition.

    Statements of the module and of its functions count; what stands in ``if``, ``try``, a loop
    or ``with`` is for an option (vLLM's gRPC mode needs a distribution it does not require).
    """
    bodies: list[list[ast.stmt]] = [tree.body]
    while bodies:
        for node in bodies.pop():
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                bodies.append(node.body)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield from _under(prefix, [node.module])
            elif isinstance(node, ast.Import):
                yield from _under(prefix, [alias.name for alias in node.names])


def _under(prefix: str, names: list[str]) -> list[str]:
    return [name for name in names if f"{name}.".startswith(f"{prefix}.")]


def _operators() -> dict[str, str]:
    """Return how each module of compiled operators loaded; raise if the stack is why not.

    They are called ``_C`` and ``_moe_C``; later releases append the ABI they are built for.
    """
    spec = importlib.util.find_spec("vllm")
    folder = Path(spec.origin).parent if spec is not None and spec.origin else Path()
    answers = {}
    for path in sorted([*folder.glob("_C*.so"), *folder.glob("_moe_C*.so")]):
        name = f"vllm.{path.name.partition('.')[0]}"
        try:
            importlib.import_module(name)
        except ImportError as error:
            if DRIVER_LIBRARY not in str(error):
                raise
            answers[name] = f"not loaded, the host lacks {DRIVER_LIBRARY} (NVIDIA driver library)"
        else:
            answers[name] = "loaded"
    return answers

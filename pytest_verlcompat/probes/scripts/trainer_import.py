"""Establish that verl's trainer and the rollout code this stack would use can be imported.

Imports, in the order a run reaches them: ``verl``; the entry point ``verl.trainer.main_ppo``;
what that module imports inside its functions (the FSDP or engine workers, the task runner);
the rollout classes and the asynchronous server that this release of verl has for each
installed engine, found in its own registries or, before 0.6, in its worker's source. Code
for other backends (Megatron, Ascend, TensorRT-LLM, ...) is left out.

Passed: everything imports. Conditional: only the rollout mode that is not this release's
default fails. Skipped: an engine's compiled part needs an NVIDIA driver that is not here.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TITLE = "verl's entry point, workers and rollout modules import"
RUNG = "cpu"
DISTRIBUTIONS = ("verl",)
GPUS = 0
TIMEOUT_S = 420.0

ENGINES = ("vllm", "sglang")
OTHER_BACKENDS = re.compile(
    r"megatron|mcore|mindspeed|npu|ascend|trtllm|tensorrt|veomni|torchtitan|automodel|nvtx|_v0$"
)
"""Modules of backends outside the FSDP run; ``_v0`` is the trainer that 0.9 retired."""

WORKERS = ("verl.workers.fsdp_workers", "verl.workers.engine_workers")
AGENT_LOOP = "verl.experimental.agent_loop"

DRIVER_LIBRARY = "libcuda.so.1"


class _Imports:
    """Imports modules one by one and keeps how long each took, in seconds."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds

    def __call__(self, name: str) -> Any:
        """Return module *name*, imported."""
        return self.timed(name, lambda: importlib.import_module(name))

    def timed(self, name: str, action: Callable[[], Any]) -> Any:
        """Return what *action* returns and note its duration under *name*, once."""
        started = time.monotonic()
        result = action()
        self.seconds.setdefault(name, round(time.monotonic() - started, 3))
        return result


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return seconds per imported module, the engines tried, and each one's rollout classes."""
    facts = request["facts"]
    engines = [engine for engine in ENGINES if engine in request["versions"]]
    facts.update(engines=engines, modules_s={}, rollouts={})
    imports = _Imports(facts["modules_s"])
    imports("verl")
    entry = imports("verl.trainer.main_ppo")
    absent = [engine for engine in ENGINES if engine not in engines]
    facts["default_mode"] = _default_mode(Path(entry.__file__).parent / "config")
    names = list(wanted_imports(_task_runners(_tree(entry)), absent))
    for name in names:
        imports(name)
    workers = [name for name in names if name in WORKERS] or [
        name for name in WORKERS if _exists(name)
    ]
    for name in workers:
        imports(name)
    answer: dict[str, Any] = {}
    for engine in engines:
        answer.update(_try_rollouts(engine, imports, workers=workers, facts=facts))
    return {**facts, **answer}


def _task_runners(tree: ast.Module) -> ast.Module:
    """Return *tree* without all but its task runner classes.

    The other functions of the entry point import what only an option needs; verl 0.6 even
    names a module there that its wheel does not ship.
    """
    kept = [
        node for node in tree.body if isinstance(node, ast.ClassDef) and "TaskRunner" in node.name
    ]
    return ast.Module(body=list(kept), type_ignores=[])


def wanted_imports(tree: ast.AST, absent: list[str]) -> Iterator[str]:
    """Yield, once each, the modules that functions of *tree* import for an FSDP run.

    Args:
        tree: A parsed module.
        absent: Engines that are not installed; modules named after them are left out.
    """
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = {
        node
        for function in ast.walk(tree)
        if isinstance(function, functions)
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    seen = set()
    for node in sorted(found, key=lambda node: node.lineno):
        if isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module and not node.level else []
        else:
            names = [alias.name for alias in node.names]
        for name in names:
            unwanted = OTHER_BACKENDS.search(name) or any(engine in name for engine in absent)
            if name not in seen and not unwanted:
                seen.add(name)
                yield name


def _exists(name: str) -> bool:
    """Return whether this release has module *name*; its parents are imported."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _tree(module: Any) -> ast.Module:
    return ast.parse(Path(module.__file__).read_text(encoding="utf-8"))


def _default_mode(config: Path) -> str | None:
    """Return ``sync`` or ``async``, the rollout mode of the packaged configuration."""
    for name, keys in (
        ("rollout/rollout.yaml", ("mode",)),
        ("ppo_trainer.yaml", ("actor_rollout_ref", "rollout", "mode")),
    ):
        path = config / name
        if not path.is_file():
            continue
        import yaml

        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            return str(value)
    return None


def _try_rollouts(
    engine: str, imports: _Imports, *, workers: list[str], facts: dict[str, Any]
) -> dict[str, Any]:
    """Import every rollout part of *engine*; return the reserved keys this leads to."""
    default = facts["default_mode"] or "async"
    parts: list[tuple[str, str, Callable[[], Any]]] = [
        (default, name, lambda name=name: importlib.import_module(name))
        for name in _worker_parts(engine, imports, workers)
    ]
    parts += _registered_classes(engine, imports)
    parts += _server_class(engine, imports)
    if _exists(AGENT_LOOP):
        parts.append(("async", AGENT_LOOP, lambda: importlib.import_module(AGENT_LOOP)))
    parts.sort(key=lambda part: part[0] != default)
    answer: dict[str, Any] = {}
    for mode, name, load in parts:
        try:
            found = imports.timed(name, load)
        except Exception as error:
            if DRIVER_LIBRARY in str(error):
                return {"lacks": [f"{DRIVER_LIBRARY} (NVIDIA driver library), for {name}"]}
            if mode == default:
                raise
            cause = next(iter(str(error).strip().splitlines()), type(error).__name__)
            answer["condition"] = f"rollout.mode={default}: in mode {mode}, {name} fails: {cause}"
        else:
            label = f"{engine} {mode}"
            facts["rollouts"].setdefault(label, []).append(getattr(found, "__name__", name))
    return answer


def _worker_parts(engine: str, imports: _Imports, workers: list[str]) -> Iterator[str]:
    """Yield modules of *engine* that the workers import inside functions (verl before 0.6)."""
    others = [other for other in ENGINES if other != engine]
    for worker in workers:
        for name in wanted_imports(_tree(imports(worker)), others):
            if engine in name and name.startswith("verl."):
                yield name


def _registered_classes(
    engine: str, imports: _Imports
) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Yield (mode, label, loader) for the registry of rollout classes (verl 0.6 and later)."""
    base = imports("verl.workers.rollout.base")
    for (name, mode), target in sorted(getattr(base, "_ROLLOUT_REGISTRY", {}).items()):
        if name == engine:
            yield mode, target, lambda mode=mode: base.get_rollout_class(engine, mode)


def _server_class(engine: str, imports: _Imports) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Yield (mode, label, loader) for the asynchronous server, wherever this release has it."""
    for name, function in (
        ("verl.workers.rollout.replica", "get_rollout_replica_class"),
        ("verl.workers.rollout.async_server", "async_server_class"),
    ):
        if _exists(name):
            load = getattr(imports(name), function)
            yield "async", f"{name}.{function}({engine!r})", lambda load=load: load(engine)

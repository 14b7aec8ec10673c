"""Establish which of verl's training backends and rollouts beside FSDP can be imported.

Every module that this release has for Megatron (workers, engine, models, merger) and the
rollout by transformers' ``generate`` is imported, each on its own. A module that stops at a
distribution which verl only asks for in an extra (Megatron's core, its bridges, Transformer
Engine) is a fact that names it. Passed: nothing else stops an import, and the rollout by
``generate``, which needs no extra, imports. Failed: an import breaks for any other reason, or
Megatron is installed and its modules break.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE = "verl's Megatron modules and its rollout by generate import, or name the extra they need"
RUNG = "cpu"
DISTRIBUTIONS = ("verl", "torch", "transformers")
GPUS = 0
TIMEOUT_S = 300.0

OPTIONAL = ("megatron", "mbridge", "transformer_engine", "apex", "mindspeed", "modelopt")
"""Modules of distributions that no release of verl requires outside of an extra."""
ROLLOUT = "verl.workers.rollout.hf_rollout"
CANDIDATES = (
    ROLLOUT,
    "verl.workers.megatron_workers",
    "verl.workers.actor.megatron_actor",
    "verl.workers.engine.megatron",
    "verl.workers.sharding_manager.megatron_vllm",
    "verl.models.mcore",
    "verl.models.registry",
    "verl.utils.megatron_utils",
    "verl.utils.checkpoint.megatron_checkpoint_manager",
    "verl.model_merger.megatron_model_merger",
)


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return seconds per imported module and, for the others, what they lack."""
    facts = request["facts"]
    facts.update(imported_s={}, absent=[], needs={})
    facts["megatron_core"] = request["versions"].get("megatron-core")
    for name in CANDIDATES:
        if not _exists(name):
            facts["absent"].append(name)
            continue
        started = time.monotonic()
        try:
            importlib.import_module(name)
        except ImportError as error:
            missing = find_optional(error)
            if missing is None or facts["megatron_core"]:
                raise
            facts["needs"][name] = missing
        else:
            facts["imported_s"][name] = round(time.monotonic() - started, 3)
    if ROLLOUT not in facts["imported_s"] and ROLLOUT not in facts["absent"]:
        raise AssertionError(f"{ROLLOUT} needs {facts['needs'].get(ROLLOUT)}")
    return dict(facts)


def find_optional(error: BaseException) -> str | None:
    """Return the optional module that *error*, or what caused it, says is missing."""
    for one in _chain(error):
        root = str(getattr(one, "name", None) or "").partition(".")[0]
        if isinstance(one, ModuleNotFoundError) and root in OPTIONAL:
            return root
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and what it was raised from or during, once each."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        following = error.__cause__ or error.__context__
        if following is None:
            return
        error = following


def _exists(name: str) -> bool:
    """Return whether the installed verl has module *name*, without importing its parents."""
    spec = importlib.util.find_spec("verl")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'verl'", name="verl")
    path = Path(spec.origin).parent.joinpath(*name.split(".")[1:])
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()

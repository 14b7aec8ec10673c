"""Establish that verl's trainer trains with SGLang's rollout on one GPU, as a user starts it.

``python -m verl.trainer.main_ppo``: GRPO, FSDP, a Qwen3 of random weights, data made in code, a
custom reward, three steps, attention by SDPA and padding kept, so that no flash-attn is needed.

Passed: the run exits with status 0, and its log has every step with finite reward and gradient,
which is not zero. Conditional: CUDA's runtime of the environment must be on
``LD_LIBRARY_PATH`` for the engine's memory saver, or the trainer logs a mean difference of
rollout and training probabilities beyond 0.05.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

TITLE = "verl's trainer trains with SGLang"
RUNG = "train"
DISTRIBUTIONS = ("verl", "sglang", "torch", "transformers", "hydra-core", "omegaconf", "pyarrow")
GPUS = 1
TIMEOUT_S = 600.0


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the run's metrics by step, its seconds, and what the loader's path lacked."""
    facts = request["facts"]
    scratch = Path(request["scratch"])
    run = _sibling("_trainer_run")
    run.prepare(scratch)
    conditions: list[str | None] = []
    environ: dict[str, str | None] = {}
    if "torch-memory-saver" in request["versions"]:
        child = _sibling("_preload").start_child(scratch)
        facts["preload"] = {"missing": child.missing, "folders": child.folders}
        if child.folders:
            environ["LD_LIBRARY_PATH"] = child.path
            folders = ":".join(child.folders)
            conditions.append(f"put {folders} of the environment on LD_LIBRARY_PATH")
    chosen = run.settings(scratch, engine="sglang")
    metrics = run.train(chosen, scratch, facts=facts, environ=environ)
    run.require_training(metrics)
    facts["step"] = "done"
    conditions.append(run.judge_mismatch(run.summarize(metrics)))
    condition = "; ".join(item for item in conditions if item)
    return {**facts, "condition": condition} if condition else dict(facts)


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

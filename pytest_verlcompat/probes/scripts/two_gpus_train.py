"""Establish that verl's trainer trains over two GPUs: FSDP 2, tensor parallel 2, Ulysses 2.

``python -m verl.trainer.main_ppo`` with the engine that is installed, three steps: the actor
sharded by FSDP 2 over both GPUs and the rollout's weights split over them. Ulysses, which splits
sequences, needs padding removed and thereby flash-attn: it is on where flash-attn is installed,
and a fact says whether.

Passed: the run exits with status 0, and its log has every step with finite reward and gradient,
which is not zero. Conditional: the logged difference of rollout and training probabilities is
beyond 0.05 on average.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

TITLE = "verl's trainer trains over two GPUs with FSDP 2, tensor parallel 2 and Ulysses 2"
RUNG = "train"
DISTRIBUTIONS = ("verl", "torch", "transformers", "hydra-core", "omegaconf", "pyarrow")
GPUS = 2
TIMEOUT_S = 600.0


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the run's metrics by step, its seconds, and whether Ulysses was on."""
    facts = request["facts"]
    scratch = Path(request["scratch"])
    run, engines = _sibling("_trainer_run"), _sibling("_engines")
    name = engines.installed(request["versions"])
    facts["engine"] = name
    if name is None:
        return {**facts, "lacks": ["vllm or sglang"]}
    run.prepare(scratch)
    facts["ulysses"] = ulysses = "flash-attn" in request["versions"]
    environ: dict[str, str | None] = {}
    if name == "sglang" and "torch-memory-saver" in request["versions"]:
        child = _sibling("_preload").start_child(scratch)
        if child.folders:
            environ["LD_LIBRARY_PATH"] = child.path
    chosen = run.settings(
        scratch,
        engine=name,
        gpus=2,
        attention="flash_attention_2" if ulysses else "sdpa",
        **plan(ulysses=ulysses),
    )
    metrics = run.train(chosen, scratch, facts=facts, environ=environ)
    run.require_training(metrics)
    facts["step"] = "done"
    condition = run.judge_mismatch(run.summarize(metrics))
    return {**facts, "condition": condition} if condition else dict(facts)


def plan(*, ulysses: bool) -> dict[str, Any]:
    """Return the settings in which a run over two GPUs differs from one over one."""
    chosen: dict[str, Any] = {
        "actor_rollout_ref.actor.strategy": "fsdp2",
        "actor_rollout_ref.ref.strategy": "fsdp2",
        "actor_rollout_ref.rollout.tensor_model_parallel_size": 2,
    }
    if ulysses:
        chosen |= {
            "actor_rollout_ref.model.use_remove_padding": True,
            "actor_rollout_ref.actor.ulysses_sequence_parallel_size": 2,
            "actor_rollout_ref.ref.ulysses_sequence_parallel_size": 2,
        }
    return chosen


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

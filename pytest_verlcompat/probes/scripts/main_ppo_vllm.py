"""Establish that verl's trainer trains with vLLM's rollout on one GPU, as a user starts it.

``python -m verl.trainer.main_ppo``: GRPO, FSDP, a Qwen3 of random weights, data made in code, a
custom reward, three steps, attention by SDPA and padding kept, so that no flash-attn is needed.
At the end the actor's checkpoint is merged by ``python -m verl.model_merger`` and loaded by
transformers.

Passed: the run exits with status 0, its log has every step with finite reward and gradient, the
gradient is not zero, the merged weights equal the stored ones, and training changed them.
Conditional: the trainer logs a mean difference of rollout and training probabilities beyond
0.05.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

TITLE = "verl's trainer trains with vLLM, and its checkpoint can be merged and loaded"
RUNG = "train"
DISTRIBUTIONS = ("verl", "vllm", "torch", "transformers", "hydra-core", "omegaconf", "pyarrow")
GPUS = 1
TIMEOUT_S = 660.0

MERGE_TIMEOUT_S = 120.0


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the run's metrics by step, its seconds, and how the merged weights compare."""
    facts = request["facts"]
    scratch = Path(request["scratch"])
    run = _sibling("_trainer_run")
    run.prepare(scratch)
    chosen = run.settings(scratch, engine="vllm", **{"trainer.save_freq": run.STEPS})
    metrics = run.train(chosen, scratch, facts=facts)
    run.require_training(metrics)
    _check_checkpoint(scratch, facts)
    facts["step"] = "done"
    condition = run.judge_mismatch(run.summarize(metrics))
    return {**facts, "condition": condition} if condition else dict(facts)


def _check_checkpoint(scratch: Path, facts: dict[str, Any]) -> None:
    """Merge the last checkpoint, load it and compare it with its shard and the first weights."""
    stored = _sibling("_checkpoint")
    checkpoint = stored.find_checkpoint(scratch)
    stored.merge(checkpoint, scratch / "merged", facts=facts, timeout_s=MERGE_TIMEOUT_S)
    facts["step"] = "load"
    import transformers

    load = transformers.AutoModelForCausalLM.from_pretrained
    merged = load(scratch / "merged")
    facts.update(stored.compare_weights(stored.read_shard(checkpoint), merged))
    facts["largest_change"] = stored.largest_change(load(scratch / "model"), merged)
    if not facts["largest_change"] > 0:
        raise AssertionError("training left every weight as it was")


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

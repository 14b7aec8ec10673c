"""Establish that verl's trainer trains a LoRA adapter with an engine, stores it and merges it.

``python -m verl.trainer.main_ppo`` with ``lora_rank`` 8 on all linear layers and the engine that
is installed, three steps. The stored checkpoint is merged by ``python -m verl.model_merger``, and
the adapter is loaded onto the first weights by peft.

Passed: the run exits with status 0 and a gradient that is not zero, the merged base
weights are the first ones, and the adapter, from the checkpoint and from the merged model, loads
and changes the model's output. Conditional: one of the two has no effect.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

TITLE = "verl's trainer trains a LoRA adapter, which can be merged out and loaded"
RUNG = "train"
DISTRIBUTIONS = ("verl", "torch", "transformers", "peft", "hydra-core", "omegaconf", "pyarrow")
GPUS = 1
TIMEOUT_S = 660.0

RANK = 8
MERGE_TIMEOUT_S = 120.0


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the run's metrics, where the adapter was found, and how far it moves the output."""
    facts = request["facts"]
    scratch = Path(request["scratch"])
    run, engines = _sibling("_trainer_run"), _sibling("_engines")
    name = engines.installed(request["versions"])
    facts["engine"] = name
    if name is None:
        return {**facts, "lacks": ["vllm or sglang"]}
    run.prepare(scratch)
    environ: dict[str, str | None] = {}
    if name == "sglang" and "torch-memory-saver" in request["versions"]:
        child = _sibling("_preload").start_child(scratch)
        if child.folders:
            environ["LD_LIBRARY_PATH"] = child.path
    changed = {
        "actor_rollout_ref.model.lora_rank": RANK,
        "actor_rollout_ref.model.lora_alpha": 16,
        "actor_rollout_ref.model.target_modules": "all-linear",
        # The engine must hold the base weights: only the adapter is sent to it.
        "actor_rollout_ref.rollout.load_format": "safetensors",
        "trainer.save_freq": run.STEPS,
    }
    chosen = run.settings(scratch, engine=name, **changed)
    metrics = run.train(chosen, scratch, facts=facts, environ=environ)
    run.require_training(metrics)
    stored = _sibling("_checkpoint")
    checkpoint = stored.find_checkpoint(scratch)
    stored.merge(checkpoint, scratch / "merged", facts=facts, timeout_s=MERGE_TIMEOUT_S)
    said = [_check(stored, scratch, checkpoint=checkpoint, facts=facts)]
    facts["step"] = "done"
    said.append(run.judge_mismatch(run.summarize(metrics)))
    condition = "; ".join(item for item in said if item)
    return {**facts, "condition": condition} if condition else dict(facts)


def _check(stored: Any, scratch: Path, *, checkpoint: Path, facts: dict[str, Any]) -> str | None:
    """Raise unless the merged base is the first model; return what is said of the adapters."""
    import torch
    import transformers
    from peft import PeftModel

    facts["step"] = "load"
    load = transformers.AutoModelForCausalLM.from_pretrained
    first = load(scratch / "model")
    facts["base_change"] = stored.largest_change(first, load(scratch / "merged"))
    if facts["base_change"] > 0:
        raise AssertionError(f"the merged base weights moved by {facts['base_change']:.2e}")
    tokens = torch.arange(64).view(2, 32)
    facts["output_change"] = changes = {}
    for place in (checkpoint / "lora_adapter", scratch / "merged" / "lora_adapter"):
        if not (place / "adapter_config.json").is_file():
            continue
        base = load(scratch / "model")
        with torch.no_grad():
            before = base(input_ids=tokens).logits.float()
            after = PeftModel.from_pretrained(base, place)(input_ids=tokens).logits.float()
        changes[str(place.relative_to(scratch).parent)] = float((after - before).abs().max())
    return judge_adapters(changes)


def judge_adapters(changes: dict[str, float]) -> str | None:
    """Return the condition that the adapters' effects by place impose, or None.

    Raises:
        AssertionError: If there is no adapter, or none has an effect.
    """
    if not changes:
        raise AssertionError("neither the checkpoint nor the merged model holds a LoRA adapter")
    dead = [place for place, change in changes.items() if not change > 0]
    if len(dead) == len(changes):
        raise AssertionError("the trained adapter leaves the output as it was")
    if dead:
        return (
            f"take the adapter from another place than {', '.join(dead)}, "
            "where it has no effect (verl's merger may write lora_alpha as 0)"
        )
    return None


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

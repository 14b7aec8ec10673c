"""Establish that verl's trainer trains a LoRA adapter with an engine, stores it and merges it.

``python -m verl.trainer.main_ppo`` with ``lora_rank`` 8 on all linear layers and the engine that
is installed, three steps: under verl's default strategy, FSDP, and under FSDP 2 if that fails.
The stored checkpoint is merged by ``python -m verl.model_merger``, and
the adapter is loaded onto the first weights by peft.

Passed: the run exits with status 0 and a gradient that is not zero, the merged base
weights are the first ones, and the adapter, from the checkpoint and from the merged model, loads
and changes the model's output. Conditional: only FSDP 2 does it, or one of the two adapters has
no effect.
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
RUN_TIMEOUT_S = 220.0
MERGE_TIMEOUT_S = 80.0
STRATEGIES = ("fsdp", "fsdp2")
"""Values of ``actor_rollout_ref.actor.strategy``; the first is verl's default."""


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return, per strategy, the run's metrics, the adapters found and how far they move it."""
    facts = request["facts"]
    scratch = Path(request["scratch"])
    name = _sibling("_engines").installed(request["versions"])
    facts["engine"] = name
    if name is None:
        return {**facts, "lacks": ["vllm or sglang"]}
    environ: dict[str, str | None] = {}
    if name == "sglang" and "torch-memory-saver" in request["versions"]:
        child = _sibling("_preload").start_child(scratch)
        if child.folders:
            environ["LD_LIBRARY_PATH"] = child.path
    facts["strategies"] = tried = {}
    said: list[str | None] = []
    for strategy in STRATEGIES:
        folder = scratch / strategy
        folder.mkdir()
        tried[strategy] = found = {"step": "prepare"}
        try:
            said += _train(folder, strategy=strategy, engine=name, environ=environ, facts=found)
        except AssertionError as error:
            found["error"] = str(error)[:600]
            if strategy == STRATEGIES[-1]:
                raise AssertionError(describe_failures(tried)) from error
        else:
            break
    said.append(judge_strategies(tried))
    facts["step"] = "done"
    condition = "; ".join(item for item in said if item)
    return {**facts, "condition": condition} if condition else dict(facts)


def _train(
    folder: Path, *, strategy: str, engine: str, environ: dict[str, Any], facts: dict[str, Any]
) -> list[str | None]:
    """Return the conditions under which the whole way works with *strategy*.

    Raises:
        AssertionError: If it does not.
    """
    run, stored = _sibling("_trainer_run"), _sibling("_checkpoint")
    run.prepare(folder)
    changed = {
        "actor_rollout_ref.actor.strategy": strategy,
        "actor_rollout_ref.model.lora_rank": RANK,
        "actor_rollout_ref.model.lora_alpha": 16,
        "actor_rollout_ref.model.target_modules": "all-linear",
        # The engine must hold the base weights: only the adapter is sent to it.
        "actor_rollout_ref.rollout.load_format": "safetensors",
        "trainer.save_freq": run.STEPS,
    }
    metrics = run.train(
        run.settings(folder, engine=engine, **changed),
        folder,
        facts=facts,
        timeout_s=RUN_TIMEOUT_S,
        environ=environ,
        # verl would wait for a failed worker until the deadline.
        program=(_path("_watched_run"), "-m", "verl.trainer.main_ppo"),
    )
    run.require_training(metrics)
    checkpoint = stored.find_checkpoint(folder)
    stored.merge(checkpoint, folder / "merged", facts=facts, timeout_s=MERGE_TIMEOUT_S)
    said = [_check(stored, folder, checkpoint=checkpoint, facts=facts)]
    facts["step"] = "done"
    return [*said, run.judge_mismatch(run.summarize(metrics))]


def judge_strategies(tried: dict[str, dict[str, Any]]) -> str | None:
    """Return the condition that failed strategies among those *tried* impose, or None."""
    failed = {name: found["error"] for name, found in tried.items() if "error" in found}
    if not failed:
        return None
    works = ", ".join(name for name in tried if name not in failed)
    causes = "; ".join(f"with {name}, {error}" for name, error in failed.items())
    return f"train LoRA with actor_rollout_ref.actor.strategy={works}: {causes}"


def describe_failures(tried: dict[str, dict[str, Any]]) -> str:
    """Return what each strategy failed with and at which step, the default's first."""
    return "; ".join(
        f"{name}, step {found['step']}: {found['error']}" for name, found in tried.items()
    )


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


def _path(name: str) -> str:
    """Return the path of the file *name* beside this one."""
    return str(Path(__file__).with_name(f"{name}.py"))


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, _path(name))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

"""Merge a checkpoint of verl's trainer as a user would, and compare its weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any


def find_checkpoint(scratch: Path) -> Path:
    """Return the folder of the actor's last checkpoint below *scratch*."""
    found = sorted(
        (scratch / "checkpoints").glob("global_step_*/actor"),
        key=lambda folder: int(folder.parent.name.rpartition("_")[2]),
    )
    if not found:
        raise AssertionError("the trainer stored no checkpoint of the actor")
    return found[-1]


def merge(checkpoint: Path, target: Path, *, facts: dict[str, Any], timeout_s: float) -> None:
    """Merge the shards in *checkpoint* with ``python -m verl.model_merger``.

    Raises:
        AssertionError: If the program fails.
    """
    process = _sibling("_process")
    facts["step"] = "merge"
    options = ("--backend", "fsdp", "--local_dir", str(checkpoint), "--target_dir", str(target))
    finished = process.run(
        process.python("-m", "verl.model_merger", "merge", *options),
        cwd=target.parent,
        timeout_s=timeout_s,
        environ={"CUDA_VISIBLE_DEVICES": ""},
    )
    facts["merge_s"] = finished.seconds
    if finished.status != 0:
        cause = _sibling("_trainer_run").find_cause(finished.output)
        raise AssertionError(f"verl.model_merger: status {finished.status}: {cause}")


def read_shard(checkpoint: Path) -> dict[str, Any]:
    """Return the weights in the one shard of *checkpoint*, on the CPU, by name."""
    import torch

    files = sorted(checkpoint.glob("model_world_size_1_rank_0.pt"))
    if not files:
        raise AssertionError(f"no shard in {sorted(path.name for path in checkpoint.iterdir())}")
    stored = torch.load(files[0], map_location="cpu", weights_only=False)
    return {name: _local(tensor) for name, tensor in stored.items()}


def _local(tensor: Any) -> Any:
    """Return the plain tensor in a distributed one of either kind."""
    if hasattr(tensor, "to_local"):
        return tensor.to_local()
    if hasattr(tensor, "local_shards"):
        return tensor.local_shards()[0].tensor
    return tensor


def compare_weights(shard: dict[str, Any], model: Any) -> dict[str, Any]:
    """Return how many of *model*'s weights equal those in *shard*, both in bf16.

    Raises:
        AssertionError: If one differs or is missing.
    """
    import torch

    wrong = []
    mine = model.state_dict()
    for name, tensor in mine.items():
        other = shard.get(name)
        if other is None and name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        if other is None or not torch.equal(other.bfloat16(), tensor.cpu().bfloat16()):
            wrong.append(name)
    if wrong:
        raise AssertionError(f"{len(wrong)} of {len(mine)} merged weights differ: {wrong[:3]}")
    return {"weights_compared": len(mine)}


def largest_change(before: Any, after: Any) -> float:
    """Return the largest change of a weight between two models of one shape."""
    old = before.state_dict()
    return max(
        float((tensor.float().cpu() - old[name].float().cpu()).abs().max())
        for name, tensor in after.state_dict().items()
    )


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

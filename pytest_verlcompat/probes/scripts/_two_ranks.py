"""The program of the probe over two GPUs: starts two ranks and leaves ``rankN.json`` of each."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

WORLD = 2
BYTES = 256 << 20
ROUNDS = 10
STEPS = 2
LEARNING_RATE = 0.05


def main(folder: str, device: str = "cuda") -> int:
    """Return 0 when both ranks have left their answers; *device* ``cpu`` tries the code out."""
    from torch import multiprocessing

    multiprocessing.spawn(rank_main, args=(folder, device), nprocs=WORLD, join=True)
    return 0


def rank_main(rank: int, folder: str, device: str) -> None:
    """Do one rank's part and write its answer."""
    import torch
    import torch.distributed as dist

    if device == "cuda":
        torch.cuda.set_device(rank)
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(WORLD), LOCAL_RANK=str(rank))
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        answer = {"backend": dist.get_backend(), **_reduce(device), **_shard(device)}
    finally:
        dist.destroy_process_group()
    if device == "cuda":
        answer["peak_mib"] = torch.cuda.max_memory_allocated() >> 20
        answer["device"] = torch.cuda.get_device_name(rank)
    file = Path(folder) / f"rank{rank}.json"
    file.write_text(json.dumps(answer), encoding="utf-8")


def _reduce(device: str) -> dict[str, Any]:
    """Return the bus bandwidth of an all-reduce after checking its sum."""
    import torch
    import torch.distributed as dist

    values = torch.full((1024,), float(dist.get_rank() + 1), device=device)
    dist.all_reduce(values)
    if values.unique().tolist() != [3.0]:
        raise AssertionError(f"1 and 2 were summed to {values.unique().tolist()}")
    size = BYTES if device == "cuda" else BYTES >> 8
    large = torch.ones(size // 2, dtype=torch.bfloat16, device=device)
    dist.all_reduce(large)
    _wait(device)
    started = time.monotonic()
    for _ in range(ROUNDS):
        dist.all_reduce(large)
    _wait(device)
    seconds = (time.monotonic() - started) / ROUNDS
    # What crosses the bus at each rank: 2 (n - 1) / n of the data.
    bus = size * 2 * (WORLD - 1) / WORLD / seconds / 1e9
    return {"all_reduce_s": seconds, "bus_gb_per_s": round(bus, 2)}


def _wait(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def _shard(device: str) -> dict[str, Any]:
    """Return losses of FSDP 2 and of the whole model, and how far their weights are apart."""
    import torch
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh

    try:
        from torch.distributed.fsdp import fully_shard
    except ImportError:  # torch before 2.6
        from torch.distributed._composable.fsdp import fully_shard

    tiny = _sibling("_tiny_model")
    rows = [(13 * row + torch.arange(32)) % 256 for row in range(WORLD)]
    whole = tiny.make_model(dtype="float32").to(device)
    losses_whole = [_step(whole, torch.stack(rows).to(device)) for _ in range(STEPS)]
    sharded = tiny.make_model(dtype="float32").to(device)
    mesh = init_device_mesh(device, (WORLD,))
    for layer in sharded.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(sharded, mesh=mesh)
    mine = rows[dist.get_rank()].unsqueeze(0).to(device)
    losses_sharded = []
    for _ in range(STEPS):
        loss = torch.tensor(_step(sharded, mine), device=device)
        dist.all_reduce(loss)
        losses_sharded.append(float(loss) / WORLD)
    wanted = dict(whole.named_parameters())
    apart = max(
        float((item.detach().full_tensor() - wanted[name].detach()).abs().max())
        for name, item in sharded.named_parameters()
    )
    return {
        "losses_whole": losses_whole,
        "losses_sharded": losses_sharded,
        "weights_apart": apart,
    }


def _step(model: Any, tokens: Any) -> float:
    """Return the loss of *tokens* before one step of plain gradient descent."""
    import torch

    loss = model(input_ids=tokens, labels=tokens, use_cache=False).loss
    loss.backward()
    with torch.no_grad():
        for item in model.parameters():
            item.sub_(item.grad, alpha=LEARNING_RATE)
            item.grad = None
    return float(loss.detach())


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

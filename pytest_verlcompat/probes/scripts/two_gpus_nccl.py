"""Establish that two GPUs reduce, that FSDP 2 shards a model over them, and how fast they talk.

Two processes, one GPU each, started by ``torch.multiprocessing``: an all-reduce over NCCL of known
numbers, its bandwidth on 256 MiB, then two steps of a Qwen3 of random weights sharded by
``fully_shard`` (FSDP 2), compared with the same steps on one GPU without sharding.

Passed: sums are right, losses agree to 1e-3, the gathered weights to 1e-4, and no process
is left. The bus bandwidth is a fact.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
from pathlib import Path
from typing import Any

TITLE = "two GPUs reduce over NCCL and train one model sharded by FSDP 2"
RUNG = "gpu"
DISTRIBUTIONS = ("torch", "transformers", "tokenizers")
GPUS = 2
TIMEOUT_S = 300.0

WORLD = 2
RANKS_TIMEOUT_S = 200.0


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the bandwidth, the losses of both ways, and how far the weights are apart."""
    facts = request["facts"]
    scratch = Path(request["scratch"])
    process, device = _sibling("_process"), _sibling("_device")
    before = device.used_mib()
    program = str(Path(__file__).with_name("_two_ranks.py"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    finished = process.run(
        process.python(program, str(scratch)),
        cwd=scratch,
        timeout_s=RANKS_TIMEOUT_S,
        environ={"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
    )
    facts["wall_s"] = finished.seconds
    for rank in range(WORLD):
        answer = scratch / f"rank{rank}.json"
        if answer.is_file():
            facts[f"rank{rank}"] = json.loads(answer.read_text(encoding="utf-8"))
    if finished.status != 0:
        raise AssertionError(f"status {finished.status}: {finished.last_lines(1)[:400]}")
    facts["memory"] = device.wait_for_release(before)
    facts["visible"] = os.environ.get("CUDA_VISIBLE_DEVICES")
    judge(facts["rank0"])
    return dict(facts)


def judge(found: dict[str, Any]) -> None:
    """Raise AssertionError unless sharded and whole training agree."""
    pairs = zip(found["losses_sharded"], found["losses_whole"], strict=True)
    apart = max(abs(a - b) for a, b in pairs)
    if not apart < 1e-3:  # noqa: PLR2004  the probe's promise
        raise AssertionError(f"losses of FSDP 2 and of one GPU are {apart:.2e} apart")
    if not found["weights_apart"] < 1e-4:  # noqa: PLR2004  the probe's promise
        raise AssertionError(f"weights are {found['weights_apart']:.2e} apart after the steps")


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

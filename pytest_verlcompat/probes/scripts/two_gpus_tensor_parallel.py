"""Establish that the engine's tensor parallelism over two GPUs answers as one GPU does.

The installed vLLM answers greedy prompts on one GPU, then over two (``tensor_parallel_size=2``),
each in a process of its own. Passed: both start, and what the two GPUs say is what a torch
forward on the CPU in ``float32`` holds for likeliest, up to rounding; where the two ways differ
is a fact.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

TITLE = "vLLM over two GPUs answers as the model says"
RUNG = "gpu"
DISTRIBUTIONS = ("vllm", "torch", "transformers")
GPUS = 2
TIMEOUT_S = 300.0

TRIAL_TIMEOUT_S = 130.0
TOLERANCE = 0.25
"""Logits; see the probe of sleeping and waking."""


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return seconds and tokens of both ways, and how far their tokens are from the best."""
    facts = request["facts"]
    scratch = Path(request["scratch"])
    tiny, engines, trial = (_sibling(n) for n in ("_tiny_model", "_engines", "_vllm_trial"))
    device = _sibling("_device")
    tiny.write_model(scratch / "model")
    share = device.engine_share(engines.POOL_GIB)
    facts["ways"] = ways = {}
    for size in (1, 2):
        engine = engines.vllm_settings(scratch / "model", share=share, tensor_parallel_size=size)
        ways[str(size)] = found = trial.try_once(
            scratch / f"way{size}",
            engine,
            # Two workers are processes of their own in any case.
            environ={"VLLM_ENABLE_V1_MULTIPROCESSING": "1" if size > 1 else "0"},
            timeout_s=TRIAL_TIMEOUT_S,
        )
        if "error" in found:
            raise AssertionError(f"tensor_parallel_size={size}: {found['error']}")
        found["largest_gap"] = _gap(tiny, trial.PROMPT, found["tokens"])
        if not found["largest_gap"] <= TOLERANCE:
            raise AssertionError(
                f"tensor_parallel_size={size}: a token is {found['largest_gap']:.3f} below the best"
            )
    facts["same_tokens"] = ways["1"]["tokens"] == ways["2"]["tokens"]
    return dict(facts)


def _gap(tiny: Any, prompt: list[int], answer: list[int]) -> float:
    """Return by how much a token of *answer* is at most below the likeliest, in logits."""
    import torch

    model = tiny.make_model(dtype="bfloat16").float()
    tokens = torch.tensor([[*prompt, *answer]])
    with torch.no_grad():
        logits = model(input_ids=tokens, use_cache=False).logits[:, len(prompt) - 1 : -1]
    chosen = logits.gather(-1, tokens[:, len(prompt) :].unsqueeze(-1)).squeeze(-1)
    return float((logits.max(dim=-1).values - chosen).max())


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

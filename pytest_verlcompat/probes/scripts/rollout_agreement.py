"""Establish how far the rollout's log-probabilities are from the trainer's in this stack.

The installed engine samples answers of a Qwen3 of random weights (bf16, temperature 1); torch
computes the log-probabilities of the same tokens with the forward that verl's actor runs:
through ``flash_attention_2`` where flash-attn is installed, through SDPA where it is not, and by
verl's own ``logprobs_from_logits``, which rounds to bf16 where flash-attn is missing. From both
follow what truncated (TIS) and masked (MIS) importance sampling would do, at token and
at sequence level, with verl's default threshold.

Passed: the mean and the largest difference are within what bf16 explains. Conditional: they are
not, or token-level masking would drop more than one token in a hundred: train with a correction
(``algorithm.rollout_correction``). Failed: the two are not of the same model at all.

Source: verl/trainer/ppo/rollout_corr_helper.py of 0.9.1 (weights exp(trainer - rollout), safety
bound 20, truncation at 2, masking outside [1/2, 2]), read 2026-11-20.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from pathlib import Path
from typing import Any

TITLE = "rollout and trainer agree on the log-probabilities of the same tokens"
RUNG = "gpu"
DISTRIBUTIONS = ("torch", "transformers", "tokenizers")
GPUS = 1
TIMEOUT_S = 360.0

PROMPTS = 16
PROMPT_TOKENS = 32
TOKENS = 128
THRESHOLD = 2.0
SAFETY_BOUND = 20.0
"""Largest absolute log-ratio that is raised to a power, as in verl."""
MEAN_BOUND = 0.05
"""bf16 against ``float32`` differs by 0.016 on this model (CPU); a softmax in bf16 adds to it."""
LARGEST_BOUND = 0.5
UNRELATED = 1.0
"""A mean difference that no rounding explains."""


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return differences, their correlation, and what each correction would do."""
    facts = request["facts"]
    scratch = Path(request["scratch"])
    tiny, engines, device = (_sibling(n) for n in ("_tiny_model", "_engines", "_device"))
    name = engines.installed(request["versions"])
    facts["engine"] = name
    if name is None:
        return {**facts, "lacks": ["vllm or sglang"]}
    folder = tiny.write_model(scratch / "model")
    prompts = [
        [(7 * row + 11 * column) % 256 for column in range(PROMPT_TOKENS)] for row in range(PROMPTS)
    ]
    before = device.used_mib()
    facts["step"] = "engine"
    engine = engines.start(name, folder, share=device.engine_share(engines.POOL_GIB))
    try:
        answers = engine.generate(prompts, tokens=TOKENS, temperature=1.0, seed=1)
    finally:
        engine.close()
    facts["step"] = "trainer"
    rollout = [chances for _, chances in answers]
    rows = [prompt + ids for prompt, (ids, _) in zip(prompts, answers, strict=True)]
    ways = _trainer(folder, rows, facts)
    facts["softmax"] = "verl" if "verl" in ways else "float32"
    facts["difference"] = difference(ways[facts["softmax"]], rollout)
    facts["difference_in_float32"] = difference(ways["float32"], rollout)
    facts["corrections"] = corrections(ways[facts["softmax"]], rollout)
    facts["left_processes"] = _sibling("_process").wait_for_children()
    facts["memory"] = device.wait_for_release(before, tolerance_mib=2048)
    condition = conclude(facts["difference"], facts["corrections"])
    return {**facts, "condition": condition} if condition else dict(facts)


def _trainer(
    folder: Path, rows: list[list[int]], facts: dict[str, Any]
) -> dict[str, list[list[float]]]:
    """Return log-probabilities of the answers in *rows* by way of taking them from the logits."""
    import torch
    import transformers

    found: dict[str, list[list[float]]] = {}
    flash = importlib.util.find_spec("flash_attn") is not None
    attention = "flash_attention_2" if flash else "sdpa"
    load = transformers.AutoModelForCausalLM.from_pretrained
    try:
        model = load(folder, attn_implementation=attention)
    except ImportError as error:
        facts["flash_attention_2"] = f"{type(error).__name__}: {str(error)[:200]}"
        model = load(folder, attn_implementation="sdpa")
    model = model.to(torch.bfloat16).cuda().eval()
    facts["attention"] = model.config._attn_implementation  # noqa: SLF001  the only record of it
    tokens = torch.tensor(rows, device="cuda")
    with torch.no_grad():
        logits = model(input_ids=tokens, use_cache=False).logits[:, PROMPT_TOKENS - 1 : -1]
        labels = tokens[:, PROMPT_TOKENS:]
        exact = torch.log_softmax(logits.float(), dim=-1).gather(-1, labels.unsqueeze(-1))
        found["float32"] = exact.squeeze(-1).tolist()
        by_verl = _verl_function()
        if by_verl is not None:
            found["verl"] = by_verl(logits.contiguous(), labels.contiguous()).float().tolist()
    facts["dtype"] = str(logits.dtype)
    facts["peak_mib"] = torch.cuda.max_memory_allocated() >> 20
    return found


def _verl_function() -> Any:
    """Return verl's function from logits to log-probabilities, or None without verl."""
    if importlib.util.find_spec("verl") is None:
        return None
    return importlib.import_module("verl.utils.torch_functional").logprobs_from_logits


def difference(trainer: list[list[float]], rollout: list[list[float]]) -> dict[str, float]:
    """Return mean, largest, spread and correlation of the two, over all tokens."""
    pairs = [
        (a, b)
        for ours, theirs in zip(trainer, rollout, strict=True)
        for a, b in zip(ours, theirs, strict=True)
    ]
    gaps = [abs(a - b) for a, b in pairs]
    chances = [abs(math.exp(a) - math.exp(b)) for a, b in pairs]
    mean = sum(gaps) / len(gaps)
    return {
        "tokens": len(gaps),
        "mean": mean,
        "largest": max(gaps),
        "spread": math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps)),
        "mean_probability": sum(chances) / len(chances),
        "largest_probability": max(chances),
        "correlation": correlation([a for a, _ in pairs], [b for _, b in pairs]),
    }


def correlation(first: list[float], second: list[float]) -> float:
    """Return Pearson's coefficient; 0 where one of the two does not vary."""
    mean_a, mean_b = sum(first) / len(first), sum(second) / len(second)
    product = sum((a - mean_a) * (b - mean_b) for a, b in zip(first, second, strict=True))
    size = math.sqrt(sum((a - mean_a) ** 2 for a in first) * sum((b - mean_b) ** 2 for b in second))
    return product / size if size else 0.0


def corrections(
    trainer: list[list[float]], rollout: list[list[float]], *, threshold: float = THRESHOLD
) -> dict[str, dict[str, float]]:
    """Return what TIS and MIS do at token and sequence level.

    Truncation caps a weight at *threshold*; masking drops what is outside its inverse and it.
    The effective share is that of the sample size which weights of this spread leave.
    """
    ratios = [
        [a - b for a, b in zip(ours, theirs, strict=True)]
        for ours, theirs in zip(trainer, rollout, strict=True)
    ]
    levels = {
        "token": [ratio for row in ratios for ratio in row],
        "sequence": [sum(row) for row in ratios],
    }
    found = {}
    for level, logs in levels.items():
        weights = [weight(log) for log in logs]
        capped = [min(item, threshold) for item in weights]
        outside = sum(not 1 / threshold <= item <= threshold for item in weights)
        found[level] = {
            "smallest": min(weights),
            "largest": max(weights),
            "mean": sum(weights) / len(weights),
            "truncated_share": sum(item > threshold for item in weights) / len(weights),
            "truncated_mean": sum(capped) / len(capped),
            "masked_share": outside / len(weights),
            "effective_share": sum(capped) ** 2 / (len(capped) * sum(c * c for c in capped)),
        }
    return found


def weight(log_ratio: float) -> float:
    """Return the importance weight of a log-ratio, bounded before it is raised."""
    return math.exp(max(-SAFETY_BOUND, min(SAFETY_BOUND, log_ratio)))


def conclude(differences: dict[str, float], corrected: dict[str, dict[str, float]]) -> str | None:
    """Return the condition that the mismatch imposes, or None.

    Raises:
        AssertionError: If the two are not probabilities of one model.
    """
    mean, largest = differences["mean"], differences["largest"]
    if not mean < UNRELATED:  # NaN too
        raise AssertionError(f"log-probabilities differ by {mean:.3f} on average")
    masked = corrected["token"]["masked_share"]
    if mean <= MEAN_BOUND and largest <= LARGEST_BOUND and masked <= 0.01:  # noqa: PLR2004  promise
        return None
    return (
        "train with algorithm.rollout_correction: log-probabilities of rollout and trainer differ "
        f"by {mean:.4f} on average and {largest:.3f} at most (bounds {MEAN_BOUND} and "
        f"{LARGEST_BOUND}); token-level masking would drop {masked:.1%}"
    )


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

"""Establish that GRPO teaches a model whose rollouts come from this stack's engine.

A Qwen3 of random weights is trained in torch on the GPU with verl's advantage and policy loss;
each step's answers are sampled by the installed engine (vLLM in this process, or SGLang), which
gets the trainer's weights after every step. The reward of an answer is the share of its tokens
whose id is a multiple of eight. Chance gives about an eighth.

Passed: the mean reward of the last three steps is over 0.5 and twice that of the first three,
and at no step the engine's log-probabilities are further than 0.1 on average from the trainer's:
weights that arrive late or not at all show there first.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from pathlib import Path
from typing import Any

TITLE = "GRPO with engine rollouts and a weight update each step teaches a tiny model"
RUNG = "gpu"
DISTRIBUTIONS = ("verl", "torch", "transformers", "tokenizers")
GPUS = 1
TIMEOUT_S = 420.0

STEPS = 12
PROMPTS = 4
SAMPLES = 16
PROMPT_TOKENS = 8
TOKENS = 16
UPDATES = 2
LEARNING_RATE = 1e-3
MODULUS = 8
AGREEMENT = 0.1


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return reward, loss, mismatch and seconds of every step."""
    facts = request["facts"]
    scratch = Path(request["scratch"])
    tiny, engines, device = (_sibling(n) for n in ("_tiny_model", "_engines", "_device"))
    name = engines.installed(request["versions"])
    facts["engine"] = name
    if name is None:
        return {**facts, "lacks": ["vllm or sglang"]}
    folder = tiny.write_model(scratch / "model")
    before = device.used_mib()
    started = time.monotonic()
    facts["step"] = "engine"
    engine = engines.start(name, folder, share=device.engine_share(engines.POOL_GIB))
    facts["start_s"] = round(time.monotonic() - started, 3)
    try:
        train(engine, tiny, device="cuda", facts=facts)
    finally:
        engine.close()
    facts["left_processes"] = _sibling("_process").wait_for_children()
    facts["memory"] = device.wait_for_release(before, tolerance_mib=2048)
    require_learning(facts["rewards"], facts["mismatch"])
    return dict(facts)


def train(engine: Any, tiny: Any, *, device: str, facts: dict[str, Any]) -> None:
    """Train for ``STEPS`` steps and note them in *facts*."""
    import numpy as np
    import torch

    core_algos = importlib.import_module("verl.trainer.ppo.core_algos")
    model = tiny.make_model(dtype="float32").to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    prompts = [
        [(31 * row + 7 * column) % 256 for column in range(PROMPT_TOKENS)]
        for row in range(PROMPTS)
        for _ in range(SAMPLES)
    ]
    group = np.repeat(np.arange(PROMPTS), SAMPLES).astype(str).astype(object)
    facts.update(rewards=[], losses=[], mismatch=[], step_s=[], update_s=[])
    for step in range(STEPS):
        facts["step"] = step
        started = time.monotonic()
        answers = engine.generate(prompts, tokens=TOKENS, temperature=1.0, seed=step * len(prompts))
        rows = [prompt + ids for prompt, (ids, _) in zip(prompts, answers, strict=True)]
        tokens = torch.tensor(rows, device=device)
        rollout = torch.tensor([chances for _, chances in answers], device=device)
        loss, mismatch = _learn(
            core_algos, model, optimizer, tokens=tokens, rollout=rollout, group=group
        )
        reward = _rewards(tokens).mean()
        updating = time.monotonic()
        weights = [(name, item.detach().bfloat16()) for name, item in model.named_parameters()]
        engine.update(weights)
        now = time.monotonic()
        for key, value in (
            ("rewards", float(reward)),
            ("losses", loss),
            ("mismatch", mismatch),
            ("step_s", now - started),
            ("update_s", now - updating),
        ):
            facts[key].append(round(value, 5))
    if device == "cuda":
        facts["peak_mib"] = torch.cuda.max_memory_allocated() >> 20


def _rewards(tokens: Any) -> Any:
    """Return for each row of *tokens* the share of its answer that is rewarded."""
    return (tokens[:, PROMPT_TOKENS:] % MODULUS == 0).float().mean(dim=-1)


def _learn(
    core_algos: Any, model: Any, optimizer: Any, *, tokens: Any, rollout: Any, group: Any
) -> tuple[float, float]:
    """Return the last loss and how far the rollout's log-probabilities were from the trainer's."""
    import torch

    grpo = _sibling("_grpo")
    rewards = torch.zeros_like(rollout)
    rewards[:, -1] = _rewards(tokens)
    weights = grpo.advantages(core_algos, rewards.cpu(), group=group).to(rollout.device)
    with torch.no_grad():
        old = _log_probs(model, tokens)
    mismatch = float((old - rollout).abs().mean())
    for _ in range(UPDATES):
        loss = grpo.policy_loss(core_algos, old=old, new=_log_probs(model, tokens), weights=weights)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return float(loss.detach()), mismatch


def _log_probs(model: Any, tokens: Any) -> Any:
    """Return log-probabilities of the answers in *tokens*, ``float32`` (rows, answer tokens)."""
    import torch

    logits = model(input_ids=tokens, use_cache=False).logits[:, PROMPT_TOKENS - 1 : -1].float()
    chances = torch.log_softmax(logits, dim=-1)
    return chances.gather(-1, tokens[:, PROMPT_TOKENS:].unsqueeze(-1)).squeeze(-1)


def require_learning(rewards: list[float], mismatch: list[float]) -> None:
    """Raise AssertionError unless the reward rose and the engine had the trainer's weights."""
    worst = max(mismatch)
    if not worst <= AGREEMENT:
        at = mismatch.index(worst)
        raise AssertionError(
            f"at step {at} engine and trainer differ by {worst:.3f} on average: "
            "the engine does not have the trainer's weights"
        )
    first, last = sum(rewards[:3]) / 3, sum(rewards[-3:]) / 3
    if not (last > 0.5 and last > 2 * first):  # noqa: PLR2004  the probe's promise, see above
        raise AssertionError(f"mean reward went from {first:.3f} to {last:.3f}")


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

"""Establish that verl's GRPO arithmetic, on this torch and transformers, teaches a model.

A Qwen3 of random weights (64 tokens, hidden size 64, two layers) answers four prompts, 16
times each, with 12 sampled tokens; the reward of an answer is its share of one target token.
Each step scores one rollout with verl's own ``compute_grpo_outcome_advantage`` and updates
twice with AdamW through the policy loss that verl's actor calls, so that the second update is
off-policy and its ratio is clipped. Chance gives 1/64. Passed: the mean reward of the first three
steps is under 0.05 and that of the last three over 0.5. Everything runs on the CPU, in one
thread and under one seed, so that curves of two stacks can be compared.
"""

from __future__ import annotations

import inspect
import time
from typing import Any

TITLE = "a random-init Qwen3 learns through verl's GRPO advantage and policy loss"
RUNG = "cpu"
DISTRIBUTIONS = ("verl", "torch", "transformers")
GPUS = 0
TIMEOUT_S = 300.0

STEPS = 30
PROMPTS = 4
SAMPLES = 16
PROMPT_TOKENS = 4
RESPONSE_TOKENS = 12
VOCABULARY = 64
TARGET = 7
UPDATES = 2
"""Updates per rollout; the loss of the last one is the step's."""
LEARNING_RATE = 3e-3
CLIP_RATIO = 0.2


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the reward and loss of every step, and which functions of verl were called."""
    import torch

    facts = request["facts"]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    started = time.monotonic()
    from verl.trainer.ppo import core_algos

    facts["import_s"] = round(time.monotonic() - started, 3)
    model = _tiny_model(facts)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    generator = torch.Generator().manual_seed(0)
    prompts = torch.randint(0, VOCABULARY, (PROMPTS, PROMPT_TOKENS), generator=generator)
    prompts = prompts.repeat_interleave(SAMPLES, dim=0)
    facts.update(rewards=[], losses=[], steps=0)
    started = time.monotonic()
    for _ in range(STEPS):
        reward, loss = _step(
            core_algos, model, optimizer, rollout=(prompts, generator), facts=facts
        )
        facts["rewards"].append(round(reward, 4))
        facts["losses"].append(round(loss, 6))
        facts["steps"] += 1
    facts["train_s"] = round(time.monotonic() - started, 3)
    facts["loss"] = facts["losses"][-1]
    _require_learning(facts)
    return dict(facts)


def _tiny_model(facts: dict[str, Any]) -> Any:
    """Return a Qwen3 of random weights, or a Qwen2 where transformers is older than Qwen3."""
    import transformers

    family = "Qwen3" if hasattr(transformers, "Qwen3Config") else "Qwen2"
    sizes = {
        "vocab_size": VOCABULARY,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": PROMPT_TOKENS + RESPONSE_TOKENS,
    }
    if family == "Qwen3":
        sizes["head_dim"] = 16
    config = getattr(transformers, f"{family}Config")(**sizes, attn_implementation="eager")
    model = getattr(transformers, f"{family}ForCausalLM")(config).float()
    facts["model"] = type(model).__name__
    facts["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    return model


def _step(
    core_algos: Any, model: Any, optimizer: Any, *, rollout: tuple[Any, Any], facts: dict[str, Any]
) -> tuple[float, float]:
    """Return mean reward and last loss of one step: sample, score, weigh, update."""
    import numpy as np
    import torch

    prompts, generator = rollout
    tokens = _sample(model, prompts, generator)
    response = tokens[:, PROMPT_TOKENS:]
    reward = (response == TARGET).float().mean(dim=-1)
    mask = torch.ones(response.shape, dtype=torch.float32)
    token_rewards = torch.zeros(response.shape, dtype=torch.float32)
    token_rewards[:, -1] = reward
    group = np.repeat(np.arange(PROMPTS), SAMPLES).astype(str).astype(object)
    advantages = _advantages(core_algos, token_rewards, mask=mask, group=group)
    with torch.no_grad():
        old_log_prob = _log_prob(model, tokens)
    policy_loss = _policy_loss(core_algos, facts)
    for _ in range(UPDATES):
        loss = policy_loss(old_log_prob, _log_prob(model, tokens), advantages=advantages, mask=mask)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return float(reward.mean()), float(loss)


def _sample(model: Any, prompts: Any, generator: Any) -> Any:
    """Return prompts and sampled answers, ``int64`` (samples, prompt + response tokens)."""
    import torch

    tokens = prompts
    with torch.no_grad():
        for _ in range(RESPONSE_TOKENS):
            chances = torch.softmax(model(input_ids=tokens, use_cache=False).logits[:, -1], dim=-1)
            drawn = torch.multinomial(chances, 1, generator=generator)
            tokens = torch.cat([tokens, drawn], dim=1)
    return tokens


def _log_prob(model: Any, tokens: Any) -> Any:
    """Return log-probabilities of the answers, ``float32`` (samples, response tokens)."""
    import torch

    logits = model(input_ids=tokens, use_cache=False).logits[:, PROMPT_TOKENS - 1 : -1]
    chances = torch.log_softmax(logits, dim=-1)
    return chances.gather(-1, tokens[:, PROMPT_TOKENS:].unsqueeze(-1)).squeeze(-1)


def _advantages(core_algos: Any, token_rewards: Any, *, mask: Any, group: Any) -> Any:
    """Return verl's GRPO advantages after checking shape, finiteness and zero group mean."""
    import torch

    function = core_algos.compute_grpo_outcome_advantage
    # The mask was called eos_mask up to verl 0.3.
    names = inspect.signature(function).parameters
    mask_name = "response_mask" if "response_mask" in names else "eos_mask"
    advantages, returns = function(
        token_level_rewards=token_rewards, index=group, **{mask_name: mask}
    )
    if advantages.shape != token_rewards.shape or returns.shape != token_rewards.shape:
        raise AssertionError(
            f"advantages {tuple(advantages.shape)} and returns {tuple(returns.shape)} "
            f"for rewards of shape {tuple(token_rewards.shape)}"
        )
    if not torch.isfinite(advantages).all():
        raise AssertionError("advantages are not finite")
    worst = float(advantages.view(PROMPTS, SAMPLES, -1).mean(dim=1).abs().max())
    if worst > 1e-3:  # noqa: PLR2004  float32 noise stays far below
        raise AssertionError(f"advantages of one prompt have mean {worst:.2e}, not zero")
    return advantages


def _policy_loss(core_algos: Any, facts: dict[str, Any]) -> Any:
    """Return a callable (old, new, advantages, mask) -> loss over the loss that verl trains with.

    From verl 0.6.0 the actor calls ``compute_policy_loss_vanilla``, which takes a
    configuration; before, ``compute_policy_loss`` with plain numbers.
    """
    newer = getattr(core_algos, "compute_policy_loss_vanilla", None)
    function = newer or core_algos.compute_policy_loss
    facts["policy_loss"] = function.__name__
    names = inspect.signature(function).parameters
    keywords: dict[str, Any] = {}
    if "config" in names:
        from omegaconf import OmegaConf

        clip = {"clip_ratio": CLIP_RATIO, "clip_ratio_low": CLIP_RATIO, "clip_ratio_c": 3.0}
        clip |= {"clip_ratio_high": CLIP_RATIO}
        keywords["config"] = OmegaConf.create({**clip, "global_batch_info": {}})
    else:
        keywords["cliprange"] = CLIP_RATIO
    if "loss_agg_mode" in names:
        keywords["loss_agg_mode"] = "token-mean"
    mask_name = "response_mask" if "response_mask" in names else "eos_mask"

    def loss(old_log_prob: Any, log_prob: Any, *, advantages: Any, mask: Any) -> Any:
        return function(
            old_log_prob=old_log_prob,
            log_prob=log_prob,
            advantages=advantages,
            **{mask_name: mask},
            **keywords,
        )[0]

    return loss


def _require_learning(facts: dict[str, Any]) -> None:
    """Raise unless the mean reward rose from under 0.05 to over 0.5."""
    first = sum(facts["rewards"][:3]) / 3
    last = sum(facts["rewards"][-3:]) / 3
    facts["first_reward"], facts["last_reward"] = round(first, 4), round(last, 4)
    if not (first < 0.05 and last > 0.5):  # noqa: PLR2004  the probe's promise, see above
        raise AssertionError(
            f"mean reward went from {first:.4f} to {last:.4f} in {STEPS} steps; "
            "expected from under 0.05 to over 0.5"
        )

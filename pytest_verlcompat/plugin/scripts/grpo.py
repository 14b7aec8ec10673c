"""Train a tiny model by verl's GRPO functions; rewards come from outside, step by step.

One thread, one seed, ``float32``, the CPU: two stacks give comparable curves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

PROMPT_TOKENS = 8
_STATE: dict[str, Any] = {}


def begin(
    *,
    parts: str,
    folder: str,
    prompts: list[str],
    samples: int,
    response_tokens: int,
    learning_rate: float,
    seed: int,
) -> dict[str, Any]:
    """Make the model; return what it is and which loss of verl it is trained with."""
    import torch
    import transformers
    from verl.trainer.ppo import core_algos

    from __main__ import load_part

    tiny = load_part(parts, "_tiny_model")
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    tiny.write_tokenizer(Path(folder))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16}
    family = "Qwen3" if hasattr(transformers, "Qwen3Config") else "Qwen2"
    settings = tiny.model_settings(**sizes)
    if family == "Qwen2":
        settings.pop("head_dim")
    config = getattr(transformers, f"{family}Config")(**settings, attn_implementation="eager")
    model = getattr(transformers, f"{family}ForCausalLM")(config).float()
    rows = [_prompt_ids(tokenizer, prompt) for prompt in prompts]
    _STATE.update(
        grpo=load_part(parts, "_grpo"),
        core_algos=core_algos,
        model=model,
        tokenizer=tokenizer,
        prompts=torch.tensor(rows).repeat_interleave(samples, dim=0),
        groups=(len(prompts), samples),
        tokens=response_tokens,
        generator=torch.Generator().manual_seed(seed),
        optimizer=torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0),
    )
    newer = getattr(core_algos, "compute_policy_loss_vanilla", None)
    loss = newer or core_algos.compute_policy_loss
    return {
        "model": type(model).__name__,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "policy_loss": loss.__name__,
    }


def sample() -> dict[str, Any]:
    """Return texts and token ids of the answers, those of one prompt after one another."""
    import torch

    tokens = _STATE["prompts"]
    with torch.no_grad():
        for _ in range(_STATE["tokens"]):
            logits = _STATE["model"](input_ids=tokens, use_cache=False).logits[:, -1]
            chances = torch.softmax(logits, dim=-1)
            drawn = torch.multinomial(chances, 1, generator=_STATE["generator"])
            tokens = torch.cat([tokens, drawn], dim=1)
        _STATE["rollout"] = tokens
        _STATE["old"] = _log_prob(tokens)
    ids = tokens[:, PROMPT_TOKENS:].tolist()
    return {"tokens": ids, "texts": [_STATE["tokenizer"].decode(each) for each in ids]}


def update(rewards: list[float], updates: int) -> dict[str, float]:
    """Weigh the last answers by *rewards*, update, and return the last loss."""
    import numpy as np
    import torch

    tokens, old = _STATE["rollout"], _STATE["old"]
    token_rewards = torch.zeros(old.shape, dtype=torch.float32)
    token_rewards[:, -1] = torch.tensor(rewards, dtype=torch.float32)
    prompts, samples = _STATE["groups"]
    group = np.repeat(np.arange(prompts), samples).astype(str).astype(object)
    core_algos, grpo = _STATE["core_algos"], _STATE["grpo"]
    weights = grpo.advantages(core_algos, token_rewards, group=group)
    for _ in range(updates):
        loss = grpo.policy_loss(core_algos, old=old, new=_log_prob(tokens), weights=weights)
        _STATE["optimizer"].zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(_STATE["model"].parameters(), 1.0)
        _STATE["optimizer"].step()
    return {"loss": float(loss)}


def _prompt_ids(tokenizer: Any, prompt: str) -> list[int]:
    """Return the last tokens of *prompt*, filled from the left to one length."""
    ids = tokenizer(prompt)["input_ids"][-PROMPT_TOKENS:]
    return [tokenizer.pad_token_id] * (PROMPT_TOKENS - len(ids)) + ids


def _log_prob(tokens: Any) -> Any:
    """Return log-probabilities of the answers, ``float32`` (samples, response tokens)."""
    import torch

    logits = _STATE["model"](input_ids=tokens, use_cache=False).logits[:, PROMPT_TOKENS - 1 : -1]
    chances = torch.log_softmax(logits, dim=-1)
    return chances.gather(-1, tokens[:, PROMPT_TOKENS:].unsqueeze(-1)).squeeze(-1)

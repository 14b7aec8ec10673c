"""Call verl's GRPO arithmetic under the names and signatures of the installed release."""

from __future__ import annotations

import inspect
from typing import Any

CLIP_RATIO = 0.2


def advantages(core_algos: Any, rewards: Any, *, group: Any) -> Any:
    """Return verl's GRPO advantages for token-level *rewards*, (samples, tokens).

    Args:
        group: For each sample what its prompt is called, an object array.
    """
    import torch

    function = core_algos.compute_grpo_outcome_advantage
    mask = torch.ones_like(rewards)
    found, _ = function(token_level_rewards=rewards, index=group, **{_mask_name(function): mask})
    if not torch.isfinite(found).all():
        raise AssertionError("advantages are not finite")
    return found


def policy_loss(core_algos: Any, *, old: Any, new: Any, weights: Any) -> Any:
    """Return the loss that verl's actor trains with, from log-probabilities and advantages.

    From verl 0.6.0 the actor calls ``compute_policy_loss_vanilla``, which takes a
    configuration; before, ``compute_policy_loss`` with plain numbers.
    """
    import torch

    newer = getattr(core_algos, "compute_policy_loss_vanilla", None)
    function = newer or core_algos.compute_policy_loss
    names = inspect.signature(function).parameters
    keywords: dict[str, Any] = {_mask_name(function): torch.ones_like(new)}
    if "config" in names:
        from omegaconf import OmegaConf

        clip = dict.fromkeys(("clip_ratio", "clip_ratio_low", "clip_ratio_high"), CLIP_RATIO)
        keywords["config"] = OmegaConf.create(
            {**clip, "clip_ratio_c": 3.0, "global_batch_info": {}}
        )
    else:
        keywords["cliprange"] = CLIP_RATIO
    if "loss_agg_mode" in names:
        keywords["loss_agg_mode"] = "token-mean"
    return function(old_log_prob=old, log_prob=new, advantages=weights, **keywords)[0]


def _mask_name(function: Any) -> str:
    """Return the keyword of the mask: it was called eos_mask up to verl 0.3."""
    names = inspect.signature(function).parameters
    return "response_mask" if "response_mask" in names else "eos_mask"

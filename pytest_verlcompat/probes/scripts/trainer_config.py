"""Establish that Hydra composes the smallest FSDP run of GRPO from verl's packaged configuration.

The configuration folder inside the installed verl is composed in this process, without
importing verl, with the settings of a run of one step on one GPU with the installed engine.
Passed: every setting is accepted and stands in the result, and interpolations resolve. Values
that the composed configuration declares mandatory and leaves open are a fact (``missing``): verl
0.9 has some that only an option needs. Two settings that verl 0.3
and older do not know are left out there. The digest over all keys tells one release's
configuration surface from another's.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

TITLE = "Hydra composes the smallest FSDP and engine GRPO run"
RUNG = "cpu"
DISTRIBUTIONS = ("verl", "hydra-core", "omegaconf")
GPUS = 0
TIMEOUT_S = 120.0

ENGINES = ("vllm", "sglang")
CONFIG = "ppo_trainer"
SETTINGS: dict[str, Any] = {
    "algorithm.adv_estimator": "grpo",
    "algorithm.use_kl_in_reward": False,
    "data.train_batch_size": 4,
    "data.max_prompt_length": 64,
    "data.max_response_length": 32,
    "actor_rollout_ref.actor.strategy": "fsdp",
    "actor_rollout_ref.actor.optim.lr": 1e-4,
    "actor_rollout_ref.actor.ppo_mini_batch_size": 4,
    "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": 4,
    "actor_rollout_ref.actor.use_kl_loss": False,
    "actor_rollout_ref.rollout.n": 4,
    "actor_rollout_ref.rollout.tensor_model_parallel_size": 1,
    "actor_rollout_ref.rollout.gpu_memory_utilization": 0.3,
    "actor_rollout_ref.rollout.enforce_eager": True,
    "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu": 4,
    "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu": 4,
    "trainer.n_gpus_per_node": 1,
    "trainer.nnodes": 1,
    "trainer.save_freq": -1,
    "trainer.test_freq": -1,
    "trainer.val_before_train": False,
    "trainer.total_epochs": 1,
    "trainer.total_training_steps": 1,
}
UNKNOWN_TO_OLD = ("algorithm.use_kl_in_reward", "trainer.val_before_train")
"""Settings that verl 0.3 and older do not have."""


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the number and digest of the composed keys, and the settings left out."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    facts = request["facts"]
    engine = next((name for name in ENGINES if name in request["versions"]), ENGINES[0])
    facts["engine"] = engine
    scratch = Path(request["scratch"])
    settings = {
        **SETTINGS,
        "actor_rollout_ref.rollout.name": engine,
        "actor_rollout_ref.model.path": str(scratch / "model"),
        "data.train_files": str(scratch / "train.parquet"),
        "data.val_files": str(scratch / "val.parquet"),
    }
    with initialize_config_dir(config_dir=str(_config_folder()), version_base=None):
        base = compose(config_name=CONFIG)
        left_out = [name for name in UNKNOWN_TO_OLD if not _has_key(base, name)]
        facts["left_out"] = left_out
        settings = {name: value for name, value in settings.items() if name not in left_out}
        overrides = [f"{name}={_literal(value)}" for name, value in settings.items()]
        config = compose(config_name=CONFIG, overrides=[*overrides, "trainer.logger=[console]"])
    facts["settings"] = len(overrides) + 1
    for name, value in settings.items():
        if OmegaConf.select(config, name) != value:
            raise AssertionError(f"{name} is {OmegaConf.select(config, name)!r}, not {value!r}")
    facts["missing"] = sorted(OmegaConf.missing_keys(config))
    keys = sorted(find_keys(OmegaConf.to_container(config, resolve=True)))
    facts["keys"] = len(keys)
    facts["keys_sha256"] = hashlib.sha256("\n".join(keys).encode()).hexdigest()
    facts["rollout_mode"] = OmegaConf.select(config, "actor_rollout_ref.rollout.mode")
    return dict(facts)


def _config_folder() -> Path:
    """Return the folder of verl's packaged configuration, without importing verl."""
    spec = importlib.util.find_spec("verl")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'verl'", name="verl")
    return Path(spec.origin).parent / "trainer" / "config"


def _has_key(config: Any, name: str) -> bool:
    """Return whether *config* declares the dotted key *name*, even if its value is None."""
    from omegaconf import OmegaConf

    parent, _, key = name.rpartition(".")
    node = OmegaConf.select(config, parent)
    return node is not None and key in node


def _literal(value: Any) -> str:
    """Return *value* as Hydra's command line writes it."""
    return f"'{value}'" if isinstance(value, str) else str(value)


def find_keys(node: Any, prefix: str = "") -> list[str]:
    """Return the dotted names of all leaves of a tree of dictionaries; a list is one leaf."""
    if not isinstance(node, dict) or not node:
        return [prefix]
    found = []
    for key, value in node.items():
        found += find_keys(value, f"{prefix}.{key}" if prefix else str(key))
    return found

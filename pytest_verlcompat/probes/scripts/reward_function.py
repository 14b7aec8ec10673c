"""Establish that verl loads a custom reward function by path and name and scores with it.

Writes a reward function to the scratch folder, composes this release's packaged configuration
with the keys that name it (``custom_reward_function`` up to 0.7, below ``reward`` after),
loads it through verl's ``get_custom_reward_fn`` and calls the naive reward manager with it on two
answers, one of them right.

Passed: the function is the one named, gets verl's four arguments and the configured
``reward_kwargs``, and its score stands at the last token of each answer (or in the reward
manager's reply, where it answers one sample at a time). What a second file in the same process
gets is a fact: up to 0.6 verl keeps the first file's module for every later path.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
from pathlib import Path
from typing import Any

TITLE = "a custom reward function is loaded by path and name and scores through verl"
RUNG = "cpu"
DISTRIBUTIONS = ("verl", "torch", "transformers", "hydra-core", "omegaconf", "tensordict")
GPUS = 0
TIMEOUT_S = 240.0

KEYS = ("reward.custom_reward_function", "custom_reward_function")
SOURCE = """def score_letters(data_source, solution_str, ground_truth, extra_info=None, weight=1.0):
    assert data_source == "verlcompat/tiny", data_source
    return {weight_name} * float(solution_str.count(ground_truth))
"""
ANSWERS = ("eel", "cat")


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the keys used, what the function scored, and where the scores ended up."""
    from transformers import AutoTokenizer

    facts = request["facts"]
    scratch = Path(request["scratch"])
    _sibling("_tiny_model").write_tokenizer(scratch / "tokenizer")
    tokenizer = AutoTokenizer.from_pretrained(scratch / "tokenizer")
    file = scratch / "letters.py"
    file.write_text(SOURCE.replace("{weight_name}", "weight"), encoding="utf-8")
    config = _compose(file, "score_letters", facts=facts)
    reward = importlib.import_module("verl.trainer.ppo.reward")
    function = reward.get_custom_reward_fn(config)
    arguments = {"data_source": "verlcompat/tiny", "ground_truth": "e", "extra_info": {}}
    found = function(solution_str="eel", **arguments)
    facts["direct_score"] = found
    if found != 2.0 * 2:
        raise AssertionError(f"the loaded function scored {found}, not 4: 2 letters, weight 2")
    facts["scores"] = scores = _manage(reward, config, tokenizer=tokenizer, facts=facts)
    if scores != [4.0, 0.0]:
        raise AssertionError(f"the reward manager scored {ANSWERS} as {scores}, not [4.0, 0.0]")
    facts["second_file_obeyed"] = _second_file(reward, scratch, facts=facts, arguments=arguments)
    return dict(facts)


def _compose(file: Path, name: str, *, facts: dict[str, Any]) -> Any:
    """Return the packaged configuration with the keys that this release has set."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf, open_dict

    spec = importlib.util.find_spec("verl")
    folder = Path(str(spec and spec.origin)).parent / "trainer" / "config"
    with initialize_config_dir(config_dir=str(folder), version_base=None):
        config = compose(config_name="ppo_trainer")
    key = next((key for key in KEYS if OmegaConf.select(config, key) is not None), None)
    if key is None:
        raise KeyError(f"ppo_trainer has neither {' nor '.join(KEYS)}")
    facts["key"] = key
    with open_dict(config):
        node = OmegaConf.select(config, key)
        node.path, node.name, node.reward_kwargs = str(file), name, {"weight": 2.0}
    return config


def _manage(reward: Any, config: Any, *, tokenizer: Any, facts: dict[str, Any]) -> list[float]:
    """Return one score per answer, through the manager that the configuration names."""
    keywords: dict[str, Any] = {}
    if "num_examine" in inspect.signature(reward.load_reward_manager).parameters:
        keywords["num_examine"] = 0
    data = _batch(tokenizer)
    single = "num_examine" not in keywords
    if single:
        # The manager takes the loop of its thread when it is made.
        return asyncio.run(
            _manage_single(reward, config, tokenizer=tokenizer, data=data, facts=facts)
        )
    manager = reward.load_reward_manager(config, tokenizer, **keywords)
    facts["manager"] = type(manager).__name__
    scores = manager(data)
    last = data.batch["attention_mask"][:, data.batch["prompts"].shape[-1] :].sum(-1) - 1
    return [float(row[at]) for row, at in zip(scores, last, strict=True)]


async def _manage_single(
    reward: Any, config: Any, *, tokenizer: Any, data: Any, facts: dict[str, Any]
) -> list[float]:
    """Return one score per answer from a manager that scores samples one by one."""
    manager = reward.load_reward_manager(config, tokenizer)
    facts["manager"] = type(manager).__name__
    replies = [await manager.run_single(data[at : at + 1]) for at in range(len(data))]
    return [float(reply["reward_score"]) for reply in replies]


def _batch(tokenizer: Any) -> Any:
    """Return verl's DataProto of one prompt and the two answers, padded to one length."""
    import numpy as np
    import torch
    from verl import DataProto

    prompts = torch.tensor([tokenizer.encode("Say e.")] * len(ANSWERS))
    answers = [tokenizer.encode(answer) for answer in ANSWERS]
    width = max(map(len, answers)) + 1
    responses = torch.full((len(ANSWERS), width), tokenizer.pad_token_id)
    mask = torch.zeros((len(ANSWERS), width), dtype=torch.long)
    for row, ids in enumerate(answers):
        responses[row, : len(ids)] = torch.tensor(ids)
        mask[row, : len(ids)] = 1
    return DataProto.from_dict(
        tensors={
            "prompts": prompts,
            "responses": responses,
            "input_ids": torch.cat([prompts, responses], dim=1),
            "attention_mask": torch.cat([torch.ones_like(prompts), mask], dim=1),
        },
        non_tensors={
            "data_source": np.array(["verlcompat/tiny"] * len(ANSWERS), dtype=object),
            "reward_model": np.array([{"ground_truth": "e"} for _ in ANSWERS], dtype=object),
            "extra_info": np.array([{} for _ in ANSWERS], dtype=object),
        },
    )


def _second_file(
    reward: Any, scratch: Path, *, facts: dict[str, Any], arguments: dict[str, Any]
) -> bool:
    """Return whether another path in the same process gets the function of that path."""
    file = scratch / "negative.py"
    file.write_text(SOURCE.replace("{weight_name}", "-weight"), encoding="utf-8")
    function = reward.get_custom_reward_fn(_compose(file, "score_letters", facts=facts))
    return bool(function(solution_str="eel", **arguments) == -2.0 * 2)


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

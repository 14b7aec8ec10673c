"""The smallest start of verl's trainer: one GPU, a small model, three steps of GRPO.

Keys are those that verl's own packaged configuration of the release knows; what a release does
not know yet is left out. Checked with ``verlcompat launch`` for every release from 0.4.0 on
(``tests/truth/test_recipes_truth.py``); a run on a GPU is the business of the probes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from pytest_verlcompat.errors import LockError
from pytest_verlcompat.recipes.stack import engine_of
from pytest_verlcompat.recipes.words import comment

if TYPE_CHECKING:
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock

MODEL = "Qwen/Qwen2.5-0.5B-Instruct"

_OLDEST = Version("0.4.0")
_BATCH = 8
_ROWS = """\
import sys

import datasets

rows = [
    {
        "data_source": "openai/gsm8k",
        "prompt": [{"role": "user", "content": f"What is {n} + {n}? End with #### and it."}],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": str(2 * n)},
        "extra_info": {"split": "train", "index": n},
    }
    for n in range(32)
]
datasets.Dataset.from_list(rows).to_parquet(sys.argv[1])"""

_FIXED = {
    "algorithm.adv_estimator": "grpo",
    "algorithm.use_kl_in_reward": "False",
    "data.train_files": '"$DATA"',
    "data.val_files": '"$DATA"',
    "data.train_batch_size": str(_BATCH),
    "data.max_prompt_length": "128",
    "data.max_response_length": "128",
    "actor_rollout_ref.model.path": '"$MODEL"',
    "actor_rollout_ref.model.use_remove_padding": "False",
    "++actor_rollout_ref.model.override_config.attn_implementation": "sdpa",
    "actor_rollout_ref.actor.strategy": "fsdp",
    "actor_rollout_ref.actor.optim.lr": "1e-6",
    "actor_rollout_ref.actor.ppo_mini_batch_size": str(_BATCH),
    "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": "2",
    "actor_rollout_ref.actor.use_kl_loss": "False",
    "actor_rollout_ref.rollout.name": "",
    "actor_rollout_ref.rollout.n": "4",
    "actor_rollout_ref.rollout.tensor_model_parallel_size": "1",
    "actor_rollout_ref.rollout.gpu_memory_utilization": "0.4",
    "actor_rollout_ref.rollout.enforce_eager": "True",
    "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu": "2",
    "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu": "2",
    "trainer.nnodes": "1",
    "trainer.n_gpus_per_node": "1",
    "trainer.logger": "'[console]'",
    "trainer.save_freq": "-1",
    "trainer.test_freq": "-1",
    "trainer.val_before_train": "False",
    "trainer.total_epochs": "3",
    "trainer.total_training_steps": "3",
}
"""What every release of verl from the oldest on knows, as it is typed; the engine is filled in."""


def settings(verl: str, engine: str) -> dict[str, str]:
    """Return keys and values for that release of verl, in the order they are written.

    Raises:
        LockError: If the release is older than any whose configuration was read.
    """
    try:
        release = Version(verl)
    except InvalidVersion as error:
        raise LockError(f"verl {verl!r} is not a release") from error
    if release < _OLDEST:
        raise LockError(f"verl {verl} is older than {_OLDEST}; no smallest start is known for it")
    return {**_FIXED, "actor_rollout_ref.rollout.name": engine}


def start_lines(cell: Cell, lock: Lock) -> list[str]:
    """Return the lines of bash that make a few rows of data and start the trainer on them.

    ``PYTHON`` names the interpreter; ``MODEL`` and ``DATA`` may be set beforehand.

    Raises:
        LockError: If the lock has no verl, or no engine.
    """
    engine, verl = engine_of(lock.versions), lock.versions.get("verl")
    if engine is None or verl is None:
        raise LockError("has no verl, or no engine; there is nothing to start", where=cell.id)
    try:
        chosen = settings(verl, engine)
    except LockError as error:
        raise LockError(error.message, where=cell.id) from error
    words = [f"  {key}={value} \\" for key, value in chosen.items()]
    return [
        *comment("A model from the hub, or a folder; half a billion weights fit any GPU."),
        f': "${{MODEL:={MODEL}}}"',
        *comment("Thirty-two sums with their answers, in the columns that verl reads."),
        ': "${DATA:=${TMPDIR:-/tmp}/verl-smallest.parquet}"',
        '"$PYTHON" - "$DATA" <<\'ROWS\'',
        *_ROWS.splitlines(),
        "ROWS",
        *comment(
            "sdpa and no remove_padding: both need flash-attn otherwise, which this does not ask "
            "for. enforce_eager saves the minutes of graph capture."
        ),
        '"$PYTHON" -m verl.trainer.main_ppo \\',
        *words[:-1],
        words[-1].removesuffix(" \\"),
    ]

"""Establish that verl's supervised trainer trains on one GPU, as a user starts it.

``torchrun -m verl.trainer.sft_trainer``, the trainer over engines that releases from 0.6 have:
FSDP, a Qwen3 of random weights, conversations made in code, attention by SDPA and padding kept,
so that no flash-attn is needed. Passed: the run exits with status 0, its log has every step
with a finite loss, and the loss falls.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

TITLE = "verl's supervised trainer trains"
RUNG = "train"
DISTRIBUTIONS = ("verl", "torch", "transformers", "hydra-core", "omegaconf", "pyarrow")
GPUS = 1
TIMEOUT_S = 360.0

STEPS = 8
ROWS = 32
BATCH = 8
RUN_TIMEOUT_S = 300.0
MODULE = "verl.trainer.sft_trainer"
LAUNCHER = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=1", "-m", MODULE)


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return loss and seconds of every step."""
    facts = request["facts"]
    scratch = Path(request["scratch"])
    run = _sibling("_trainer_run")
    if not (run.verl_root() / "trainer" / "sft_trainer.py").is_file():
        return {**facts, "lacks": [f"{MODULE}, which verl has from 0.6"]}
    _sibling("_tiny_model").write_model(scratch / "model")
    write_conversations(scratch / "sft.parquet")
    metrics = run.train(
        settings(scratch),
        scratch,
        facts=facts,
        timeout_s=RUN_TIMEOUT_S,
        program=LAUNCHER,
        config="sft_trainer_engine",
    )
    run.require_training(metrics, steps=STEPS, names=("loss",))
    losses = facts["loss"]
    facts["step"] = "done"
    if not losses[-1] < losses[0]:
        raise AssertionError(f"the loss went from {losses[0]} to {losses[-1]}")
    return dict(facts)


def settings(scratch: Path) -> dict[str, Any]:
    """Return dotted keys and values of a run over the model and data in *scratch*."""
    return {
        "data.train_files": str(scratch / "sft.parquet"),
        "data.train_batch_size": BATCH,
        "data.micro_batch_size_per_gpu": BATCH,
        "data.use_dynamic_bsz": False,
        "data.max_length": 256,
        "data.num_workers": 0,
        "model.path": str(scratch / "model"),
        "model.use_remove_padding": False,
        "+model.override_config.attn_implementation": "sdpa",
        "optim.lr": 1e-3,
        "trainer.total_epochs": STEPS * BATCH // ROWS,
        "trainer.total_training_steps": STEPS,
        "trainer.logger": ["console"],
        "trainer.save_freq": -1,
        "trainer.test_freq": -1,
        "trainer.resume_mode": "disable",
        "trainer.default_local_dir": str(scratch / "checkpoints"),
    }


def write_conversations(path: Path) -> None:
    """Write questions that are answered by their own number, as messages."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Say {number}."},
                {"role": "assistant", "content": f"{number}, and {number} again."},
            ]
        }
        for number in range(ROWS)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

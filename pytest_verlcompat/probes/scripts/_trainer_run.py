"""Run verl's trainer on a tiny model as a user would, and read back what its console said.

The command is ``python -m verl.trainer.main_ppo`` with settings that are composed against the
configuration packaged in the installed verl first, so that keys a release does not know are
left out and listed instead of stopping the run.
"""

from __future__ import annotations

import importlib.util
import math
import os
import re
import statistics
import sys
from pathlib import Path
from typing import Any

STEPS = 3
RUN_TIMEOUT_S = 480.0
"""What the whole run may take; Ray, imports and the engine take minutes of it."""
BATCH = 8
FIXED: dict[str, Any] = {
    "algorithm.adv_estimator": "grpo",
    "algorithm.use_kl_in_reward": False,
    "data.train_batch_size": BATCH,
    "data.max_prompt_length": 128,
    "data.max_response_length": 32,
    "data.dataloader_num_workers": 0,
    "actor_rollout_ref.model.use_remove_padding": False,
    "actor_rollout_ref.actor.strategy": "fsdp",
    "actor_rollout_ref.actor.optim.lr": 1e-3,
    "actor_rollout_ref.actor.ppo_mini_batch_size": BATCH,
    "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": BATCH,
    "actor_rollout_ref.actor.use_kl_loss": False,
    "actor_rollout_ref.rollout.n": 4,
    "actor_rollout_ref.rollout.tensor_model_parallel_size": 1,
    "actor_rollout_ref.rollout.gpu_memory_utilization": 0.15,
    "actor_rollout_ref.rollout.enforce_eager": True,
    "actor_rollout_ref.rollout.max_num_seqs": 64,
    "actor_rollout_ref.rollout.calculate_log_probs": True,
    "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu": BATCH,
    "actor_rollout_ref.rollout.agent.num_workers": 1,
    "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu": BATCH,
    "reward.num_workers": 1,
    "trainer.nnodes": 1,
    "trainer.logger": ["console"],
    "trainer.save_freq": -1,
    "trainer.test_freq": -1,
    "trainer.val_before_train": False,
    "trainer.total_epochs": STEPS,
    "trainer.total_training_steps": STEPS,
    "trainer.resume_mode": "disable",
    "+ray_kwargs.ray_init.include_dashboard": False,
    "+ray_kwargs.ray_init.object_store_memory": 1 << 30,
}
"""Settings of every run; what a release does not know is left out."""
LOGICAL_CPUS = 16
WRAPPERS = ("RayTaskError", "ChildFailedError", "CalledProcessError")
"""Exceptions that only say that another process raised one."""
REWARD = '''def score_letters(data_source, solution_str, ground_truth, extra_info=None):
    """Return the share of letters that are the wanted one, of at most 32."""
    return sum(letter < "n" for letter in solution_str) / 32.0
'''
METRICS = {
    "loss": ("train/loss",),
    "reward": ("critic/rewards/mean", "critic/score/mean"),
    "mismatch_mean": ("training/rollout_probs_diff_mean",),
    "mismatch_max": ("training/rollout_probs_diff_max",),
    "grad_norm": ("actor/grad_norm",),
    "policy_loss": ("actor/pg_loss",),
    "step_s": ("timing_s/step", "perf/time_per_step"),
    "generate_s": ("timing_s/gen",),
    "update_weights_s": ("timing_s/update_weights", "timing_s/reshard"),
    "tokens_per_s": ("perf/throughput",),
    "peak_gib": ("perf/max_memory_allocated_gb",),
}
"""Names of verl's metrics by ours; the first that a release logs is taken."""
_PREFIX = re.compile(r"^(?:\([^)]*\bpid=\d+[^)]*\)\s*|\[rank\d+\]:\s*)")
_STEP = re.compile(r"\bstep:(\d+) - (?=\S+:)")
_PAIR = re.compile(r"([^\s:][^\s]*?):(?:np\.(?:float|int)\d+\()?(-?[\w.+-]+)\)?$")


def settings(
    scratch: Path, *, engine: str, gpus: int = 1, attention: str = "sdpa", **changed: Any
) -> dict[str, Any]:
    """Return dotted keys and values of a GRPO run over the model and data in *scratch*."""
    return {
        **FIXED,
        "data.train_files": str(scratch / "train.parquet"),
        "data.val_files": str(scratch / "train.parquet"),
        "actor_rollout_ref.model.path": str(scratch / "model"),
        "+actor_rollout_ref.model.override_config.attn_implementation": attention,
        "actor_rollout_ref.rollout.name": engine,
        "trainer.n_gpus_per_node": gpus,
        "trainer.default_local_dir": str(scratch / "checkpoints"),
        # Counts, not cores: with fewer, verl 0.9's queue waits for ever to be placed.
        "ray_kwargs.ray_init.num_cpus": max(LOGICAL_CPUS, os.cpu_count() or 1),
        **changed,
    }


def with_reward(chosen: dict[str, Any], scratch: Path, known: Any) -> dict[str, Any]:
    """Return *chosen* with a custom reward function under the release's keys.

    Args:
        known: Called with a dotted key; returns whether the release has it.
    """
    file = scratch / "letters.py"
    file.write_text(REWARD, encoding="utf-8")
    prefix = "reward." if known("reward.custom_reward_function.path") else ""
    return {
        **chosen,
        f"{prefix}custom_reward_function.path": str(file),
        f"{prefix}custom_reward_function.name": "score_letters",
    }


def compose(
    chosen: dict[str, Any], scratch: Path, *, facts: dict[str, Any], name: str = "ppo_trainer"
) -> list[str]:
    """Return Hydra's overrides for what of *chosen* the installed verl knows; note the rest.

    Args:
        name: The packaged configuration; that of the PPO trainer gets a custom reward.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    folder = str(verl_root() / "trainer" / "config")
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=folder, version_base=None):
        base = hydra_compose(config_name=name)

        def known(dotted: str) -> bool:
            parent, _, key = dotted.rpartition(".")
            node = OmegaConf.select(base, parent)
            # Membership leaves out keys that are declared without a value.
            return node is not None and key in list(node.keys())

        if name == "ppo_trainer":
            chosen = with_reward(chosen, scratch, known)
        left_out = [key for key in chosen if not key.startswith("+") and not known(key)]
        taken = {key: value for key, value in chosen.items() if key not in left_out}
        overrides = [f"{key}={literal(value)}" for key, value in taken.items()]
        config = hydra_compose(config_name=name, overrides=overrides)
    facts["left_out"] = left_out
    for key, value in taken.items():
        found = OmegaConf.select(config, key.lstrip("+"))
        if found != value and str(found) != str(value):
            raise AssertionError(f"{key} is {found!r}, not {value!r}")
    return overrides


def verl_root() -> Path:
    """Return the folder of the installed verl, without importing it."""
    spec = importlib.util.find_spec("verl")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'verl'", name="verl")
    return Path(spec.origin).parent


def literal(value: Any) -> str:
    """Return *value* as Hydra's command line writes it."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{','.join(map(literal, value))}]"
    return f"'{value}'" if isinstance(value, str) else str(value)


def prepare(scratch: Path, *, rows: int = 32) -> None:
    """Write model, tokenizer and data."""
    tiny = _sibling("_tiny_model")
    tiny.write_model(scratch / "model")
    tiny.write_rows(scratch / "train.parquet", count=rows)


def train(
    chosen: dict[str, Any],
    scratch: Path,
    *,
    facts: dict[str, Any],
    timeout_s: float = RUN_TIMEOUT_S,
    environ: dict[str, str | None] | None = None,
    program: tuple[str, ...] = ("-m", "verl.trainer.main_ppo"),
    config: str = "ppo_trainer",
) -> dict[int, dict[str, float]]:
    """Return the metrics of every step of a run of the trainer.

    Args:
        program: What this interpreter is told to run.
        config: The packaged configuration that the program reads.

    Raises:
        AssertionError: If it did not end by itself with status 0; the cause its log names first.
    """
    process = _sibling("_process")
    facts["step"] = "compose"
    overrides = compose(chosen, scratch, facts=facts, name=config)
    facts["step"] = "run"
    finished = process.run(
        process.python(*program, *overrides),
        cwd=scratch,
        timeout_s=timeout_s,
        # Workers find this environment's programs (ninja, for kernels compiled at start).
        environ={"PATH": search_path(), "RAY_DEDUP_LOGS": "0", **(environ or {})},
    )
    facts["wall_s"], facts["exit_status"] = finished.seconds, finished.status
    metrics = parse_metrics(finished.output)
    facts["steps"] = len(metrics)
    facts.update(summarize(metrics))
    if finished.status != 0:
        how = f"exit status {finished.status}"
        if finished.status is None:
            how = f"still running after {timeout_s:.0f} s and {len(metrics)} steps"
        raise AssertionError(f"{how}: {find_cause(finished.output)}")
    return metrics


def search_path() -> str:
    """Return ``PATH`` with the interpreter's own folder first."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def parse_metrics(log: str) -> dict[int, dict[str, float]]:
    """Return metrics by step from the lines that verl's console logger wrote.

    A line is ``step:N - name:value - name:value``, possibly behind Ray's prefix and with
    NumPy's names of types around values. What is no number is left out.
    """
    found: dict[int, dict[str, float]] = {}
    for line in re.sub(r"\x1b\[[0-9;]*m", "", log).splitlines():
        start = _STEP.search(line)
        if start is None:
            continue
        row = found.setdefault(int(start[1]), {})
        for piece in line[start.end() :].split(" - "):
            pair = _PAIR.match(piece.strip())
            if pair is None:
                continue
            try:
                row[pair[1]] = float(pair[2])
            except ValueError:
                continue
    return found


def summarize(metrics: dict[int, dict[str, float]]) -> dict[str, Any]:
    """Return our names of the metrics with one number per step, and the median step's seconds."""
    summary: dict[str, Any] = {}
    for ours, names in METRICS.items():
        name = next((n for n in names if any(n in row for row in metrics.values())), None)
        if name is not None:
            rows = (metrics[step] for step in sorted(metrics))
            summary[ours] = [round(row[name], 6) for row in rows if name in row]
    # The first step compiles and warms up.
    seconds = summary.get("step_s", [])[1:]
    if seconds:
        summary["median_step_s"] = round(statistics.median(seconds), 3)
    return summary


def require_training(
    metrics: dict[int, dict[str, float]],
    *,
    steps: int = STEPS,
    names: tuple[str, ...] = ("reward", "grad_norm"),
) -> None:
    """Raise AssertionError unless all *steps* were done with finite numbers and a gradient."""
    if len(metrics) < steps:
        raise AssertionError(f"the log has {len(metrics)} of {steps} steps")
    summary = summarize(metrics)
    for name in names:
        values = summary.get(name)
        if not values:
            raise AssertionError(f"the log has none of {METRICS[name]}")
        if not all(math.isfinite(value) for value in values):
            raise AssertionError(f"{name} is {values}")
    if "grad_norm" in names and not any(value > 0 for value in summary["grad_norm"]):
        raise AssertionError("the gradient is zero at every step: nothing is learnt")


def judge_mismatch(summary: dict[str, Any], *, bound: float = 0.05) -> str | None:
    """Return the condition that the logged difference of probabilities imposes, or None."""
    values = summary.get("mismatch_mean") or []
    if not values or max(values) <= bound:
        return None
    return (
        "train with algorithm.rollout_correction: the trainer logs a mean difference of "
        f"{max(values):.4f} between rollout and training (bound {bound})"
    )


def find_cause(log: str) -> str:
    """Return the line of *log* that most likely says why the run ended.

    The last exception named in it, without Ray's prefixes; failing that the last line that is
    not about Ray's own state.
    """
    log = "\n".join(line for line in log.splitlines() if "(raylet)" not in line)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in log.splitlines()]
    lines = [re.sub(_PREFIX, "", line) for line in lines if line]
    raised = [
        line
        for line in lines
        if re.match(r"(?:\w+\.)*\w*(?:Error|Exception|Exit|Interrupt): \S", line)
        and not any(wrapper in line for wrapper in WRAPPERS)
    ]
    return (raised or lines or ["no output"])[-1][:400]


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

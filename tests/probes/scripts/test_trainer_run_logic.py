"""What is read from the console of verl's trainer, and how programs of a stack are started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

# Lines as verl 0.6.1 and 0.9.1 print them through Ray, made up in their form.
CONSOLE = (
    "\x1b[36m(TaskRunner pid=12)\x1b[0m Total training steps: 2\n"
    "\x1b[36m(TaskRunner pid=12)\x1b[0m step:1 - global_seqlen/min:270 - actor/pg_loss:"
    "np.float64(-0.012) - actor/grad_norm:0.5 - critic/rewards/mean:0.25 - "
    "training/rollout_probs_diff_mean:0.0021 - timing_s/step:30.5 - note:nothing\n"
    "(TaskRunner pid=12) step:2 - actor/pg_loss:1e-05 - actor/grad_norm:0.75 - "
    "critic/rewards/mean:np.float32(0.5) - training/rollout_probs_diff_mean:nan - "
    "timing_s/step:2.5\n"
    "step:3 of something else\n"
)


def test_metrics_are_read_by_step(load_script: Callable[[str], Any]) -> None:
    """Prefixes, colours and NumPy's names of types are not part of a number."""
    script = load_script("_trainer_run")

    metrics = script.parse_metrics(CONSOLE)

    assert sorted(metrics) == [1, 2]
    assert metrics[1]["actor/pg_loss"] == -0.012
    assert metrics[1]["global_seqlen/min"] == 270.0
    assert metrics[2]["critic/rewards/mean"] == 0.5
    assert "note" not in metrics[1]


def test_summary_has_one_number_a_step_under_our_names(load_script: Callable[[str], Any]) -> None:
    """The first name that a release logs is taken; the first step does not count for the time."""
    script = load_script("_trainer_run")

    summary = script.summarize(script.parse_metrics(CONSOLE))

    assert summary["reward"] == [0.25, 0.5]
    assert summary["step_s"] == [30.5, 2.5]
    assert summary["median_step_s"] == 2.5
    assert "tokens_per_s" not in summary


def test_missing_steps_numbers_and_gradients_fail(load_script: Callable[[str], Any]) -> None:
    """A run that ended well is not believed before its log is."""
    script = load_script("_trainer_run")
    metrics = script.parse_metrics(CONSOLE)

    script.require_training(metrics, steps=2)

    with pytest.raises(AssertionError, match="the log has 2 of 3 steps"):
        script.require_training(metrics, steps=3)
    with pytest.raises(AssertionError, match="gradient is zero"):
        script.require_training(
            {step: row | {"actor/grad_norm": 0.0} for step, row in metrics.items()}, steps=2
        )
    with pytest.raises(AssertionError, match="reward is"):
        script.require_training(
            {1: {"critic/rewards/mean": float("nan"), "actor/grad_norm": 1.0}}, steps=1
        )
    with pytest.raises(AssertionError, match="the log has none of"):
        script.require_training({1: {"actor/grad_norm": 1.0}}, steps=1)


def test_mismatch_in_the_log_is_a_condition(load_script: Callable[[str], Any]) -> None:
    """Only a difference beyond the bound asks for a correction."""
    script = load_script("_trainer_run")

    assert script.judge_mismatch({}) is None
    assert script.judge_mismatch({"mismatch_mean": [0.01, 0.02]}) is None
    assert "0.2000" in script.judge_mismatch({"mismatch_mean": [0.01, 0.2]})


def test_cause_of_a_failed_run_is_the_last_exception(load_script: Callable[[str], Any]) -> None:
    """Ray's prefix and its wrapper around the error are left out."""
    script = load_script("_trainer_run")
    log = (
        "(WorkerDict pid=7) INFO loading\n"
        "Traceback (most recent call last):\n"
        "ray.exceptions.RayTaskError(ImportError): ray::run() (pid=7)\n"
        "\x1b[36m(WorkerDict pid=7)\x1b[0m ImportError: FlashAttention2 is not installed\n"
        "(raylet) some later line\n"
    )

    torchrun = (
        "[rank0]: ValueError: no GPU\n"
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
        "  root cause: rank 0\n"
    )

    assert script.find_cause(log) == "ImportError: FlashAttention2 is not installed"
    assert script.find_cause(torchrun) == "ValueError: no GPU"
    assert script.find_cause("only this\n(raylet) disk is nearly full\n") == "only this"
    assert script.find_cause("") == "no output"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "'a b'"),
        (True, "True"),
        (0.15, "0.15"),
        (None, "null"),
        (["console", 1], "['console',1]"),
    ],
)
def test_values_are_written_as_hydra_reads_them(
    value: object, text: str, load_script: Callable[[str], Any]
) -> None:
    """Texts are quoted, so that paths and names with spaces arrive whole."""
    assert load_script("_trainer_run").literal(value) == text


def test_reward_function_goes_under_the_keys_of_the_release(
    load_script: Callable[[str], Any], tmp_path: Path
) -> None:
    """The custom reward is below ``reward`` in releases that have it there."""
    script = load_script("_trainer_run")

    new = script.with_reward({}, tmp_path, lambda name: name.startswith("reward."))
    old = script.with_reward({}, tmp_path, lambda _: False)

    assert new["reward.custom_reward_function.name"] == "score_letters"
    assert old["custom_reward_function.path"] == str(tmp_path / "letters.py")


def test_ulysses_is_on_only_with_padding_removed(load_script: Callable[[str], Any]) -> None:
    """Splitting sequences needs padding removed, which needs flash-attn."""
    script = load_script("two_gpus_train")

    assert script.plan(ulysses=True)["actor_rollout_ref.model.use_remove_padding"] is True
    assert not any("ulysses" in name for name in script.plan(ulysses=False))


def test_last_checkpoint_is_the_one_of_the_most_steps(
    load_script: Callable[[str], Any], tmp_path: Path
) -> None:
    """Step 10 comes after step 9."""
    script = load_script("_checkpoint")
    with pytest.raises(AssertionError, match="no checkpoint"):
        script.find_checkpoint(tmp_path)
    for step in (9, 10):
        (tmp_path / "checkpoints" / f"global_step_{step}" / "actor").mkdir(parents=True)

    assert script.find_checkpoint(tmp_path).parent.name == "global_step_10"


def test_program_is_ended_at_its_deadline_with_its_children(
    load_script: Callable[[str], Any], tmp_path: Path
) -> None:
    """What a program prints is kept, and a child in a session of its own does not outlive it."""
    script = load_script("_process")
    child = "import time; time.sleep(60)"
    code = (
        "import subprocess, sys, time; print('started', flush=True); "
        f"print(subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True).pid, "
        "flush=True); time.sleep(60)"
    )

    finished = script.run([sys.executable, "-c", code], cwd=tmp_path, timeout_s=2.5)

    first, pid = finished.output.split()
    assert (finished.status, first) == (None, "started")
    assert finished.seconds < 10
    assert gone(int(pid))


def gone(pid: int) -> bool:
    """Return whether process *pid* is over within seconds, a zombie at most."""
    stat = Path(f"/proc/{pid}/stat")
    for _ in range(50):
        try:
            if stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] in {"Z", "X"}:
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.1)
    return False


def test_program_that_ends_gives_its_status_and_environment(
    load_script: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables are set and taken out for the program alone."""
    script = load_script("_process")
    monkeypatch.setenv("TAKEN_OUT", "1")
    code = "import os, sys; print(os.environ['SET'], 'TAKEN_OUT' in os.environ); sys.exit(3)"

    finished = script.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        timeout_s=30,
        environ={"SET": "x", "TAKEN_OUT": None},
    )

    assert (finished.status, finished.output) == (3, "x False\n")
    assert os.environ["TAKEN_OUT"] == "1"


def test_descendants_are_found_below_a_process(load_script: Callable[[str], Any]) -> None:
    """A child of this process is among its descendants while it runs."""
    script = load_script("_process")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        found = script.descendants(os.getpid())
        child.kill()

    assert child.pid in found


def test_adapter_without_effect_is_told_by_its_place(load_script: Callable[[str], Any]) -> None:
    """One of two stored adapters may be of no use; if both are, nothing was trained."""
    judge = load_script("main_ppo_lora_checkpoint").judge_adapters

    assert judge({"actor": 1.0, "merged": 0.5}) is None
    assert "another place than merged" in judge({"actor": 1.0, "merged": 0.0})
    with pytest.raises(AssertionError, match="leaves the output as it was"):
        judge({"actor": 0.0})
    with pytest.raises(AssertionError, match="neither the checkpoint nor"):
        judge({})

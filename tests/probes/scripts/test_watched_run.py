"""What ends a run whose engine has lost a worker, and what a failed strategy comes to."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.issues.catalogue import load_catalogue
from pytest_verlcompat.issues.explain import explain_text
from pytest_verlcompat.probes.registry import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable

LOG = Path(__file__).parents[2] / "data" / "logs" / "VC190.log"


def test_failed_worker_of_a_real_log_is_named(load_script: Callable[[str], Any]) -> None:
    """The first exception of the worker counts, with the place that raised it."""
    watcher = load_script("_watched_run").Watcher()

    for number, line in enumerate(LOG.read_text(encoding="utf-8").splitlines()):
        watcher.read(line, now=float(number))

    assert watcher.failed_at == 13.0
    assert watcher.cause.startswith("StopIteration from ")
    assert watcher.cause.endswith("lora/model_manager.py:798 in _create_merged_loras_inplace")


def test_step_after_a_failed_worker_means_it_recovered(load_script: Callable[[str], Any]) -> None:
    """A trainer that goes on is left alone."""
    watcher = load_script("_watched_run").Watcher()
    watcher.read("(Worker pid=1) ERROR 11-20 12:30:40 [x.py:1] WorkerProc hit an exception.", now=1)
    failed_at = watcher.failed_at
    watcher.read("(TaskRunner pid=2) step:2 - actor/grad_norm:0.5", now=2)

    assert failed_at == 1
    assert watcher.failed_at is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("print('step:1 - a:1'); sys.exit(3)", 3),
        (f"print(open({str(LOG)!r}).read(), flush=True); time.sleep(60)", 70),
    ],
    ids=["ends", "hangs"],
)
def test_program_that_hangs_on_a_worker_is_ended(tmp_path: Path, body: str, status: int) -> None:
    """The status is the program's own unless it had to be ended, and then the cause is last."""
    script = tmp_path / "program.py"
    script.write_text(f"import sys, time\n{body}\n", encoding="utf-8")
    quick = (SCRIPTS / "_watched_run.py").read_text(encoding="utf-8")
    (tmp_path / "watched.py").write_text(
        quick.replace("GRACE_S = 15.0", "GRACE_S = 0.5"), encoding="utf-8"
    )
    started = time.monotonic()

    ended = subprocess.run(
        [sys.executable, str(tmp_path / "watched.py"), str(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )

    assert ended.returncode == status
    assert time.monotonic() - started < 30
    last = ended.stdout.splitlines()[-1]
    assert last.startswith("EngineWorkerError: a worker raised StopIteration") is (status == 70)


def test_cause_of_the_ended_run_is_a_known_failure(load_script: Callable[[str], Any]) -> None:
    """What a record keeps of such a run is enough to find the remedy."""
    module = load_script("_watched_run")
    watcher = module.Watcher()
    for line in LOG.read_text(encoding="utf-8").splitlines():
        watcher.read(line, now=0.0)
    said = f"EngineWorkerError: a worker raised {watcher.cause}, and the trainer waited"

    root = explain_text(said, catalogue=load_catalogue()).root

    assert root is not None
    assert root.entry.id == "VC190"
    assert load_script("_trainer_run").find_cause(f"noise\n{said}\n(raylet) more\n") == said[:400]


def test_strategy_that_fails_is_a_condition(load_script: Callable[[str], Any]) -> None:
    """Only where one strategy works may another fail, and the setting to have is said."""
    script = load_script("main_ppo_lora_checkpoint")
    tried = {"fsdp": {"step": "run", "error": "no adapter"}, "fsdp2": {"step": "done"}}

    said = script.judge_strategies(tried)

    assert said == ("train LoRA with actor_rollout_ref.actor.strategy=fsdp2: with fsdp, no adapter")
    assert script.judge_strategies({"fsdp": {"step": "done"}}) is None
    assert script.describe_failures({"fsdp": tried["fsdp"]}) == "fsdp, step run: no adapter"

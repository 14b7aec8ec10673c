"""What the trainer import probe concludes, on small trees that stand for an installed verl."""

from __future__ import annotations

import json
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.probes.registry import RUNNER, SCRIPTS

if TYPE_CHECKING:
    from pathlib import Path

BASE = """
    import importlib

    _ROLLOUT_REGISTRY = {
        ("vllm", "async"): "verl.workers.rollout.vllm_rollout.server.Server",
        ("vllm", "sync"): "verl.workers.rollout.vllm_rollout.spmd.Rollout",
        ("trtllm", "async"): "verl.workers.rollout.trtllm_rollout.Missing",
    }

    def get_rollout_class(name, mode):
        module, _, member = _ROLLOUT_REGISTRY[name, mode].rpartition(".")
        return getattr(importlib.import_module(module), member)
"""
MAIN = """
    class TaskRunner:
        def run(self):
            from verl.workers.fsdp_workers import Worker
"""
SERVER = "class Server: pass\n"
ROLLOUT = "class Rollout: pass\n"


def run_probe(folder: Path, *, server: str = SERVER, rollout: str = ROLLOUT) -> dict[str, Any]:
    """Return the runner's reply on a verl whose two rollout modules have these sources."""
    files = {
        "verl/trainer/main_ppo.py": MAIN,
        "verl/workers/fsdp_workers.py": "class Worker: pass\n",
        "verl/workers/rollout/base.py": BASE,
        "verl/workers/rollout/vllm_rollout/server.py": server,
        "verl/workers/rollout/vllm_rollout/spmd.py": rollout,
    }
    root, control = folder / "tree", folder / "control"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        for parent in path.relative_to(root).parents[:-1]:
            (root / parent / "__init__.py").touch()
    control.mkdir()
    request = {"probe": "trainer_import", "scratch": str(folder), "cell": None, "facts": {}}
    request["versions"] = {"verl": "1", "vllm": "1"}
    (control / "input.json").write_text(json.dumps(request), encoding="utf-8")
    subprocess.run(
        [sys.executable, RUNNER, SCRIPTS / "trainer_import.py", control],
        env={"PYTHONPATH": str(root)},
        check=True,
        timeout=60,
        capture_output=True,
    )
    reply = json.loads((control / "output.json").read_text(encoding="utf-8"))
    assert isinstance(reply, dict)
    return reply


def test_every_rollout_class_of_the_installed_engine_is_imported(tmp_path: Path) -> None:
    """The registry's classes of the engine are named, those of other backends are not tried."""
    reply = run_probe(tmp_path)

    assert reply["lacks"] == []
    assert reply["condition"] is None
    assert reply["facts"]["rollouts"] == {"vllm async": ["Server"], "vllm sync": ["Rollout"]}
    assert "verl.workers.fsdp_workers" in reply["facts"]["modules_s"]


def test_only_the_other_mode_fails_is_a_condition(tmp_path: Path) -> None:
    """A release works in its default mode although the other mode's module does not import."""
    reply = run_probe(tmp_path, rollout="from vllm_of_old import thing\n")

    assert reply["condition"].startswith("rollout.mode=async: in mode sync, ")
    assert "No module named 'vllm_of_old'" in reply["condition"]


def test_default_mode_fails_with_its_own_exception(tmp_path: Path) -> None:
    """What the default mode's module raises is the cause, with the file it came from."""
    reply = run_probe(tmp_path, server="from json import no_such_name\n")

    assert reply["cause"]["kind"] == "ImportError"
    assert "no_such_name" in reply["cause"]["first_line"]
    assert reply["cause"]["frame"]["file"].endswith("vllm_rollout/server.py")
    assert reply["facts"]["modules_s"].keys() >= {"verl", "verl.trainer.main_ppo"}


def test_missing_driver_is_said_of_the_host(tmp_path: Path) -> None:
    """A compiled part that wants the driver library says nothing about the stack."""
    text = "libcuda.so.1: cannot open shared object file: No such file or directory"
    reply = run_probe(tmp_path, server=f"raise ImportError({text!r})\n")

    assert "cause" not in reply
    assert len(reply["lacks"]) == 1
    assert reply["lacks"][0].startswith("libcuda.so.1")

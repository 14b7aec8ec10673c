"""Broken environments, one per known failure that needs no GPU, really repaired.

Each starts from a locked cell that works, is broken as users break it, and has to be green
afterwards. A row that is there already is not made again; VERLCOMPAT_AGAIN=1 makes all.
All of them take half an hour; some at a time:
``pytest -m truth tests/truth/test_repair_truth.py -k pyarrow``.
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.environments.build import Environment, build_environment
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.resolve.lock import load_lock
from pytest_verlcompat.resolve.uv import call_uv
from tests.conftest import ROOT
from tests.figures import known_rows, write_figures
from tests.tiny import python_path

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.truth, pytest.mark.network, pytest.mark.slow]

SOUND = "verl0.6.1-vllm0.11.0-python3.12-2025-11-20"
ROTTEN = "verl0.6.1-vllm0.11.0-python3.12-2026-11-20"
NAME = "repair_truth"
COMMAND = "nox -s truth -- tests/truth/test_repair_truth.py"


@dataclass(frozen=True)
class Case:
    """One way to break an environment."""

    name: str
    install: tuple[str, ...] = ()
    """Put over it without asking the resolver, as a later `pip install` of something does."""
    remove: tuple[str, ...] = ()
    probes: tuple[str, ...] = ("tokenizer",)
    cell: str = SOUND


CASES = (
    Case("transformers 5", ("transformers==5.1.0",), probes=("trainer_import", "tokenizer")),
    Case("pyarrow 26 beside numpy 1", ("pyarrow==26.0.1",), probes=("sft_trainer",)),
    Case("huggingface-hub 1 beside transformers 4", ("huggingface-hub==1.5.0",)),
    Case("tokenizers too old", ("tokenizers==0.21.4",)),
    Case("tokenizers too new", ("tokenizers==0.23.1",)),
    Case("setuptools without pkg_resources", ("setuptools==82.0.0",), probes=("trainer_config",)),
    Case("numpy 2 beside numba", ("numpy==2.3.5",), probes=("numpy_opencv",)),
    Case("two OpenCV", ("opencv-python==4.12.0.88",), probes=("numpy_opencv",)),
    Case("torchvision of another torch", ("torchvision==0.24.1",), probes=("multimodal",)),
    Case("datasets too old for pyarrow", ("datasets==2.14.0",), probes=("sft_trainer",)),
    Case("torch replaced under vLLM", ("torch==2.9.1",), probes=("engine_import_vllm",)),
    Case("a requirement gone", remove=("codetiming",), probes=("trainer_import",)),
    Case("the same pins a year later", probes=("trainer_import", "tokenizer"), cell=ROTTEN),
)


def break_environment(case: Case, folder: Path) -> Path:
    """Return the interpreter of an environment that is broken as *case* says."""
    matrix = load_matrix(ROOT / "matrix")
    cell = matrix.cells[case.cell]
    lock = load_lock(cell, folder=ROOT / "matrix" / "locks")
    found = build_environment(
        dataclasses.replace(cell, id=case.cell), lock, folder=folder, say=lambda _: None
    )
    assert isinstance(found, Environment)
    python = ["--python", str(found.python)]
    if case.install:
        words = ["pip", "install", *python, "--no-deps", "--link-mode", "hardlink", *case.install]
        ended = call_uv(words, timeout_s=900)
        assert ended.exit_status == 0, ended.messages
    if case.remove:
        call_uv(["pip", "uninstall", *python, *case.remove], timeout_s=60)
    return found.python


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_broken_environment_is_green_after_repair(case: Case, tmp_path: Path) -> None:
    """Green afterwards, nothing worse, and how long it took."""
    if case.name in known_rows(NAME) and not os.environ.get("VERLCOMPAT_AGAIN"):
        pytest.skip(f"lacks a reason to do it again: {case.name} is in {NAME}.json")
    python = break_environment(case, tmp_path / "environments")
    probes = [word for name in case.probes for word in ("--probe", name)]
    command = ["-m", "pytest_verlcompat.cli", "repair", "--python", str(python), "--apply", *probes]
    started = time.monotonic()

    ended = subprocess.run(
        [sys.executable, *command, "--root", str(ROOT)],
        env={**os.environ, "PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        check=False,
    )

    wall_s = time.monotonic() - started
    faults = re.findall(r"^  ([A-Za-z0-9-]+)  ", ended.stdout.partition("Plan:")[0], re.MULTILINE)
    failed = re.findall(r"^  (\w+) +failed +\w+$", ended.stdout, re.MULTILINE)
    plans = re.findall(r"^Plan: (.*)$", ended.stdout, re.MULTILINE)
    row = {
        "what": case.name,
        "doctor": ", ".join(dict.fromkeys(faults)) or "nothing",
        "failed_before": ", ".join(failed) or "nothing",
        "plans": len(plans),
        "by": plans[-1] if plans else "nothing",
        "rolled_back": ended.stdout.count("rolled back after"),
        "green": ended.returncode == 0,
        "wall_s": round(wall_s, 1),
    }
    rows = [*(each for each in known_rows(NAME).values() if each["what"] != case.name), row]
    write_figures(
        NAME,
        title="Environments broken on purpose, and repaired",
        command=COMMAND,
        figures={
            "environments": len(rows),
            "green_after": sum(bool(each["green"]) for each in rows),
            "longest_s": max(float(str(each["wall_s"])) for each in rows),
        },
        rows=[row],
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr

"""Figures of real cells: a fresh clone to its table, and what a second environment costs.

They build the real stacks (some 10 GB through the index) and are run by ``nox -s bench``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.environments.build import Environment, build_environment
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.resolve.lock import make_lock
from tests.conftest import ROOT
from tests.figures import write_figures

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.bench

TITLE = "Real cells: a fresh clone to its table, a second environment, reward curves"
COMMAND = "nox -s bench -- tests/benchmarks/test_cells_bench.py"
SESSION = "matrix(vllm='0.11.0')"
GOLDEN = "verl0.6.1-vllm0.11.0-numpy1.26.4-opencv4.9.0.80-uvloop0.21.0-python3.11-2025-11-20"
SECOND_RUN_LIMIT_S = 5.0
SECOND_ENVIRONMENT_LIMIT_S = 2.0
SECOND_ENVIRONMENT_LIMIT_MB = 60


def test_fresh_clone_to_table(tmp_path: Path) -> None:
    """The README's first command in a fresh clone, then the same again with nothing to do."""
    clone = tmp_path / "clone"
    git = shutil.which("git") or "git"
    subprocess.run([git, "clone", "-q", str(ROOT), str(clone)], check=True)
    shutil.rmtree(clone / "reports" / "evidence", ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")

    started = time.perf_counter()
    subprocess.run([python, "-m", "pip", "install", "-q", "nox[uv]"], check=True)
    first = _run(python, clone)
    fresh_s = time.perf_counter() - started
    started = time.perf_counter()
    second = _run(python, clone)
    second_s = time.perf_counter() - started

    records = _records(clone)
    write_figures(
        "cells_bench",
        title=TITLE,
        command=COMMAND,
        figures={
            "fresh_clone_to_table_s": round(fresh_s, 1),
            "fresh_clone_cells": len({each["cell_id"] for each in records}),
            "fresh_clone_probes": sum(each["rung"] == "cpu" for each in records),
            "environments_disk_mb": _disk_mb(clone / ".verlcompat" / "environments"),
            "second_run_s": round(second_s, 1),
        },
        rows=[
            {
                "what": f"tiny GRPO, {each['cell_id']}",
                "rewards": each["facts"]["rewards"],
                "seconds": each["duration_s"],
            }
            for each in records
            if each["subject"] == "tiny_grpo" and "rewards" in each["facts"]
        ],
    )
    assert (first, second) == (0, 0)
    assert second_s < SECOND_RUN_LIMIT_S


def test_environment_that_differs_in_verl_only(tmp_path: Path) -> None:
    """Beside the golden environment, the same with another verl costs seconds and megabytes."""
    shutil.copytree(ROOT / "matrix" / "axes", tmp_path / "matrix" / "axes")
    cells = tmp_path / "matrix" / "cells"
    cells.mkdir()
    text = (ROOT / "matrix" / "cells" / f"{GOLDEN}.toml").read_text(encoding="utf-8")
    (cells / f"{GOLDEN}.toml").write_text(text, encoding="utf-8")
    other = GOLDEN.replace("verl0.6.1", "verl0.6.0", 1)
    (cells / f"{other}.toml").write_text(
        text.replace('verl = "0.6.1"', 'verl = "0.6.0"'), encoding="utf-8"
    )
    matrix = load_matrix(tmp_path / "matrix")
    locks = {
        cell_id: make_lock(cell, folder=tmp_path / "locks")
        for cell_id, cell in matrix.cells.items()
    }
    changed = set(locks[GOLDEN].versions.items()) ^ set(locks[other].versions.items())
    built = {}
    for cell_id in (GOLDEN, other, other):  # the first build of the second fetches its verl
        folder = tmp_path / "environments" / str(len(built))
        found = build_environment(
            matrix.cells[cell_id], locks[cell_id], folder=folder, say=lambda _: None
        )
        assert isinstance(found, Environment)
        built[len(built)] = found
    before = _inodes(tmp_path / "environments" / "0")
    own_mb = (
        sum(
            size
            for inode, size in _inodes(tmp_path / "environments" / "2").items()
            if inode not in before
        )
        / 1e6
    )

    write_figures(
        "cells_bench",
        title=TITLE,
        command=COMMAND,
        figures={
            "first_environment_s": built[0].duration_s,
            "second_environment_s": built[2].duration_s,
            "second_environment_own_mb": round(own_mb, 1),
        },
        rows=[],
    )
    assert {name for name, _ in changed} == {"verl"}
    assert built[2].duration_s <= SECOND_ENVIRONMENT_LIMIT_S
    assert own_mb <= SECOND_ENVIRONMENT_LIMIT_MB


def _run(python: str, clone: Path) -> int:
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    argv = [python, "-m", "nox", "-s", SESSION]
    return subprocess.run(argv, cwd=clone, env=env, check=False).returncode


def _records(clone: Path) -> list[dict[str, object]]:
    return [
        json.loads(line)
        for path in sorted((clone / "reports" / "evidence").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def _inodes(folder: Path) -> dict[int, int]:
    """Return inode to bytes on disk of everything in *folder*, directories included."""
    found = {}
    for path in folder.rglob("*"):
        entry = path.lstat()
        found[entry.st_ino] = entry.st_blocks * 512
    return found


def _disk_mb(folder: Path) -> int:
    return round(sum(_inodes(folder).values()) / 1e6)

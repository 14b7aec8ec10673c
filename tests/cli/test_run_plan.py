"""A plan is printed without running anything, and a budget is kept here too."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.resolve.lock import make_lock
from pytest_verlcompat.store.jsonl import load_cell_evidence
from tests.tiny import TinyWorkspace, python_path

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def run(tiny_workspace: TinyWorkspace) -> Callable[..., tuple[int, str]]:
    """Return a function that runs the command on a cell with a CPU and a GPU probe."""
    tiny_workspace.write_probe("engine", TIMEOUT_S=60.0)
    tiny_workspace.write_probe("kernel", GPUS=2, RUNG="gpu", TIMEOUT_S=300.0)
    cell_id = tiny_workspace.write_cell()
    make_lock(tiny_workspace.matrix().cells[cell_id], folder=tiny_workspace.workspace.locks)

    def call(*words: str) -> tuple[int, str]:
        ended = subprocess.run(
            tiny_workspace.command("run", *words),
            env={**os.environ, "PYTHONPATH": python_path()},
            capture_output=True,
            text=True,
            check=False,
        )
        return ended.returncode, ended.stdout + ended.stderr

    return call


def test_plan_says_what_would_be_done_and_does_nothing(
    run: Callable[..., tuple[int, str]], tiny_workspace: TinyWorkspace
) -> None:
    """A line for each task, in order, with what it is expected to take."""
    status, said = run("--plan", "--budget", "9")

    lines = said.splitlines()
    assert status == 0
    assert lines[0].split()[:6] == ["3.2", "min", "no", "GPU", "1", "probes"]
    assert lines[1].split()[:6] == ["5.0", "min", "2", "GPU", "1", "probes"]
    assert lines[1].endswith("(beyond the budget)")
    assert lines[2].startswith("1 tasks, 0.1 h one after the other, 0 GPU minutes; 0 spared, 1 bey")
    assert not tiny_workspace.workspace.evidence.exists()


def test_budget_leaves_out_what_it_cannot_pay_and_says_so(
    run: Callable[..., tuple[int, str]], tiny_workspace: TinyWorkspace
) -> None:
    """What needs no GPU runs; the next run without a budget does the rest alone."""
    status, said = run("--budget", "9")
    (cell_id,) = tiny_workspace.matrix().cells
    before = load_cell_evidence(tiny_workspace.workspace.evidence, cell_id).records
    again, said_again = run()

    assert status == 0, said
    assert f"beyond the budget, left for another run: {cell_id} on 2 GPU" in said
    assert [each.subject for each in before] == ["resolve", "install", "engine"]
    assert again == 0, said_again
    assert "1 executed, 3 current" in said_again


def test_cell_without_a_lock_is_named_in_the_plan(
    run: Callable[..., tuple[int, str]], tiny_workspace: TinyWorkspace
) -> None:
    """The others are planned all the same."""
    other = tiny_workspace.write_cell({"beta": "2.0"})

    status, said = run("--plan")

    assert status == 4
    assert f"{other}: locks/{other}: missing; run: verlcompat lock {other}" in said
    assert "2 tasks" in said


def test_ray_without_an_address_is_a_mistake(run: Callable[..., tuple[int, str]]) -> None:
    """No cluster is guessed: a wrong one would be worse than none."""
    status, said = run("--executor", "ray")

    assert status == 2
    assert "wants the --address of the cluster" in said

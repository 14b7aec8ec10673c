"""Job arrays of Slurm: clean scripts that leave records, which merge."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.cli import main
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.execute.plan import Plan
from pytest_verlcompat.execute.protocol import Needs, Task
from pytest_verlcompat.execute.slurm import write_jobs
from pytest_verlcompat.resolve.lock import make_lock
from pytest_verlcompat.store.jsonl import load, load_cell_evidence
from tests.tiny import MINOR, TinyWorkspace, make_cell, python_path

if TYPE_CHECKING:
    from pathlib import Path


def _write(checkout: TinyWorkspace, *words: str) -> tuple[Path, str]:
    """Return the folder of the jobs, and what the command said."""
    argv = checkout.command("run", "--executor", "slurm", "--keep-free", "0", *words)
    env = {**os.environ, "PYTHONPATH": python_path()}
    ended = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    return max((checkout.workspace.local / "slurm").iterdir()), ended.stdout


def _submit(folder: Path, script: str, index: int) -> subprocess.CompletedProcess[str]:
    """Run the body of *script* as Slurm would on a node."""
    return subprocess.run(
        ["/bin/bash", script],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": python_path(),
            "SLURM_SUBMIT_DIR": str(folder),
            "SLURM_ARRAY_TASK_ID": str(index),
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def jobs(tiny_workspace: TinyWorkspace, tmp_path: Path) -> Path:
    """Return the jobs of a cell that fails without a GPU, and of one that has no solution."""
    tiny_workspace.write_probe("engine", "raise ImportError('no name x')")
    tiny_workspace.write_probe("kernel", GPUS=1, RUNG="gpu")
    for values, expected in (({}, "incompatible"), ({"beta": "2.0"}, "unresolvable")):
        cell_id = tiny_workspace.write_cell(values, expected=expected)
        cell = tiny_workspace.matrix().cells[cell_id]
        make_lock(cell, folder=tiny_workspace.workspace.locks)
    # The agent of a job lists the probes of the installed package; here it gets the tiny ones.
    folder, _ = _write(tiny_workspace, "--node-folder", str(tmp_path / "node"))
    for script in folder.glob("*.sbatch"):
        text = script.read_text().rstrip() + f" --scripts {tiny_workspace.scripts}\n"
        script.write_text(text)
    return folder


@pytest.mark.slow
def test_scripts_are_clean_for_shellcheck(jobs: Path) -> None:
    """Arrays and the script that submits them."""
    shellcheck = shutil.which("shellcheck")
    assert shellcheck is not None
    scripts = sorted([*jobs.glob("*.sbatch"), *jobs.glob("*.sh")])

    ended = subprocess.run(
        [shellcheck, "--shell", "bash", *scripts], capture_output=True, text=True, check=False
    )

    assert [each.name for each in scripts] == ["gpus-0.sbatch", "gpus-1.sbatch", "submit.sh"]
    assert ended.stdout == ""


@pytest.mark.slow
def test_records_of_arrays_merge_and_a_requeued_task_adds_nothing(
    jobs: Path, tiny_workspace: TinyWorkspace
) -> None:
    """Each task has a file of its own; what it holds is not done again; no GPU for what fails."""
    first = [_submit(jobs, "gpus-0.sbatch", index) for index in (0, 1)]
    before = load(sorted((jobs / "records").iterdir())).records
    again = _submit(jobs, "gpus-0.sbatch", 0)
    spared = _submit(jobs, "gpus-1.sbatch", 0)
    after = load(sorted((jobs / "records").iterdir())).records

    status = main(
        ["merge", "--root", str(tiny_workspace.root), *map(str, (jobs / "records").iterdir())]
    )

    assert [each.returncode for each in (*first, again, spared)] == [0] * 4, first[0].stderr
    assert after == before
    assert "not worth a GPU" in spared.stdout
    assert status == 0
    found = {
        cell_id: [
            each.subject
            for each in load_cell_evidence(tiny_workspace.workspace.evidence, cell_id).records
        ]
        for cell_id in tiny_workspace.matrix().cells
    }
    assert sorted(found.values()) == [["resolve"], ["resolve", "install", "engine"]]


@pytest.mark.slow
def test_nothing_left_writes_no_jobs(jobs: Path, tiny_workspace: TinyWorkspace) -> None:
    """After the merge everything is done or spared."""
    for index in (0, 1):
        _submit(jobs, "gpus-0.sbatch", index)
    main(["merge", "--root", str(tiny_workspace.root), *map(str, (jobs / "records").iterdir())])

    folder, said = _write(tiny_workspace)

    assert said == "nothing is left to do\n"
    assert folder == jobs


def test_more_cells_than_an_array_has_are_refused(tmp_path: Path) -> None:
    """Slurm would refuse the array; better before it is written."""
    tasks = tuple(
        Task(id=str(n), cell=make_cell(id=str(n)), probes=(), needs=Needs(python=MINOR))
        for n in range(1001)
    )

    with pytest.raises(UsageError, match="1001 cells are more than an array has"):
        write_jobs(
            Plan(tasks=tasks, known={}),
            folder=tmp_path / "jobs",
            find_lock=lambda _: pytest.fail("none is read"),
            words=(),
        )
    assert not (tmp_path / "jobs").exists()

"""``verlcompat ci-matrix``: every cell once, in no more jobs than a forge takes."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.cli import main
from pytest_verlcompat.cli.cmd_ci_matrix import (
    MOST_JOBS,
    as_github,
    as_gitlab,
    as_slurm,
    spread,
)
from pytest_verlcompat.resolve.lock import load_lock
from pytest_verlcompat.store.jsonl import append
from tests.tiny import make_evidence

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tiny import TinyWorkspace

MANY = [f"verl0.6.1-vllm0.{number}.0" for number in range(2500)]


@pytest.mark.parametrize(("count", "jobs"), [(1, 256), (7, 3), (256, 256), (257, 256), (2500, 200)])
def test_every_cell_is_in_one_share(count: int, jobs: int) -> None:
    """In order, none lost, none twice, no job much longer than another."""
    shares = spread(MANY[:count], jobs=jobs)

    assert [each for share in shares for each in share] == MANY[:count]
    assert len(shares) == min(count, jobs)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_github_takes_the_line_as_a_matrix() -> None:
    """One line of JSON with ``include``, of at most 256 jobs."""
    text = as_github(spread(MANY, jobs=MOST_JOBS["github"]))
    jobs = json.loads(text)["include"]

    assert "\n" not in text
    assert len(jobs) == 256
    assert [cell for job in jobs for cell in job["cells"].split()] == MANY


def test_gitlab_takes_it_as_a_child_pipeline() -> None:
    """At most 200 permutations, each with its cells in a variable."""
    pipeline = json.loads(as_gitlab(spread(MANY, jobs=MOST_JOBS["gitlab"])))
    jobs = pipeline["cells"]["parallel"]["matrix"]

    assert len(jobs) == 200
    assert [cell for job in jobs for cell in job["CELLS"].split()] == MANY


def test_slurm_task_runs_its_own_share(tmp_path: Path) -> None:
    """The script is run by a real shell, with a stand-in for nox that succeeds."""
    script = as_slurm(spread(MANY[:5], jobs=2)).replace("nox -s verlcompat", "true")
    command = script.replace(".nox/verlcompat/bin/verlcompat", "echo verlcompat")
    ran = subprocess.run(
        ["/bin/bash", "-c", command],
        env={"SLURM_ARRAY_TASK_ID": "1", "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert re.search(r"^#SBATCH --array=0-1$", script, re.MULTILINE)
    assert ran.stdout.split() == ["verlcompat", "run", *MANY[3:5]]


def test_command_prints_declared_cells(tiny_workspace: TinyWorkspace) -> None:
    """Cells are those of the checkout, chosen as ``run`` chooses them."""
    one = tiny_workspace.write_cell()
    tiny_workspace.write_cell({"beta": "1.0"})
    argv = tiny_workspace.command("ci-matrix", "--format", "github", one)
    ran = subprocess.run(argv, capture_output=True, text=True, check=True)

    assert json.loads(ran.stdout) == {"include": [{"name": one, "cells": one}]}


@pytest.mark.parametrize("jobs", ["0", "257"])
def test_number_of_jobs_that_the_forge_refuses_is_a_usage_error(
    tiny_workspace: TinyWorkspace, jobs: str
) -> None:
    """Said before anything is printed."""
    argv = tiny_workspace.command("ci-matrix", "--format", "github", "--jobs", jobs)
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert ran.returncode == 2
    assert ran.stdout == ""
    assert "github takes 1 to 256" in ran.stderr


def test_cells_about_which_a_rung_is_silent_are_left(
    tiny_workspace: TinyWorkspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """A locked cell without evidence is a job; with evidence on that rung it is none any more."""
    cell = tiny_workspace.write_cell()
    unlocked = tiny_workspace.write_cell({"alpha": "1.1"})
    root = ["--root", str(tiny_workspace.root)]
    words = ["ci-matrix", "--format", "github", "--untested", "cpu", *root]
    assert main(["lock", cell, *root]) == 0
    capsys.readouterr()

    before = (main(words), json.loads(capsys.readouterr().out))
    lock = load_lock(tiny_workspace.matrix().cells[cell], folder=tiny_workspace.workspace.locks)
    record = make_evidence(cell_id=cell, subject_sha256=None, lock_sha256=lock.sha256)
    append(record, path=tiny_workspace.workspace.evidence / f"{cell}.jsonl")
    after = (main(words), json.loads(capsys.readouterr().out))

    assert before == (0, {"include": [{"name": cell, "cells": cell}]})
    assert after == (0, {"include": []})
    assert unlocked != cell

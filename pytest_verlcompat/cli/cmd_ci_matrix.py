"""Print the cells to run as the jobs of a forge or cluster.

  verlcompat ci-matrix --format github --where vllm=0.11.0
  verlcompat ci-matrix --format gitlab > child.yml
  verlcompat ci-matrix --format slurm > cells.sbatch

Where there are more cells than jobs allowed, neighbours share a job: they have most of their
files in common.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.cli.report_inputs import make_report
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.matrix.select import parse_where, select_cells
from pytest_verlcompat.model.outcome import Rung

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_verlcompat.report.assemble import Report

MOST_JOBS = {"github": 256, "gitlab": 200, "slurm": 1000}
"""Most jobs of one matrix, by format.

Source: a GitHub matrix has at most 256 jobs a workflow run
(https://docs.github.com/en/actions/reference/limits), GitLab's ``parallel:matrix`` at most 200
(https://gitlab.com/gitlab-org/gitlab/-/issues/547976), and an index of a Slurm array is below
``MaxArraySize``, 1001 unless configured (https://slurm.schedmd.com/slurm.conf.html). Read
2026-11-20.
"""

_COMMAND = "nox -s verlcompat && .nox/verlcompat/bin/verlcompat run"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("cell", nargs="*", help="cell ids; every declared cell if none is named")
    parser.add_argument(
        "--format", choices=tuple(MOST_JOBS), required=True, help="for whom to print them"
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="AXIS=VALUE",
        help="take every declared cell with this value; may be repeated",
    )
    parser.add_argument(
        "--untested",
        choices=tuple(rung.value for rung in Rung),
        metavar="RUNG",
        help="leave out cells that resolve to nothing or that something is known about on RUNG",
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="use at most this many jobs")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout to work in")


def execute(args: argparse.Namespace) -> int:
    """Return 0 after printing the jobs."""
    most = MOST_JOBS[args.format]
    jobs = most if args.jobs is None else args.jobs
    if not 1 <= jobs <= most:
        raise UsageError(f"--jobs is {jobs}; {args.format} takes 1 to {most}")
    workspace = find_workspace(args.root.resolve())
    matrix = load_matrix(workspace.matrix)
    cells = select_cells(matrix, ids=args.cell, where=parse_where(args.where))
    if args.untested:
        known = _untested(make_report(workspace, matrix), Rung(args.untested))
        cells = tuple(cell for cell in cells if cell.id in known)
    shares = spread([cell.id for cell in cells], jobs=jobs)
    print({"github": as_github, "gitlab": as_gitlab, "slurm": as_slurm}[args.format](shares))
    return 0


def _untested(report: Report, rung: Rung) -> frozenset[str]:
    """Return the ids of locked cells about which nothing is known on *rung*."""
    return frozenset(
        each.cell.id
        for each in report.cells
        if each.lock is not None and each.lock.versions and rung in each.verdict.untested
    )


def spread(ids: Sequence[str], *, jobs: int) -> list[tuple[str, ...]]:
    """Return *ids* in order, in at most *jobs* shares whose sizes differ by one at the most."""
    if not ids:
        return []
    count = min(jobs, len(ids))
    small, larger = divmod(len(ids), count)
    shares, start = [], 0
    for number in range(count):
        stop = start + small + (number < larger)
        shares.append(tuple(ids[start:stop]))
        start = stop
    return shares


def as_github(shares: Sequence[Sequence[str]]) -> str:
    """Return one line for ``strategy.matrix`` by ``fromJSON``: ``name`` and ``cells`` a job."""
    jobs = [{"name": _name(share), "cells": " ".join(share)} for share in shares]
    return json.dumps({"include": jobs}, separators=(",", ":"))


def as_gitlab(shares: Sequence[Sequence[str]]) -> str:
    """Return a child pipeline; JSON is YAML too."""
    jobs = [{"CELLS": " ".join(share)} for share in shares]
    pipeline = {
        "cells": {
            "stage": "test",
            "image": "python:3.12",
            "parallel": {"matrix": jobs},
            "script": ["python -m pip install 'nox[uv]'", f"{_COMMAND} $CELLS"],
            "artifacts": {"when": "always", "paths": ["reports/evidence/"]},
        }
    }
    return json.dumps(pipeline, indent=1)


def as_slurm(shares: Sequence[Sequence[str]]) -> str:
    """Return a batch script with one task of an array a job."""
    lines = [f"  {shlex.quote(' '.join(share))}" for share in shares]
    return "\n".join(
        [
            "#!/bin/bash",
            "#SBATCH --job-name=verlcompat",
            f"#SBATCH --array=0-{len(shares) - 1}",
            "#SBATCH --output=verlcompat-%a.log",
            "# Add what your site wants: --partition, --gres=gpu:1, --time.",
            "set -eu",
            "cells=(",
            *lines,
            ")",
            f"{_COMMAND} ${{cells[$SLURM_ARRAY_TASK_ID]}}",
        ]
    )


def _name(share: Sequence[str]) -> str:
    return share[0] if len(share) == 1 else f"{share[0]} and {len(share) - 1} more"

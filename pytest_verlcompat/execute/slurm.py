"""Write a plan as job arrays of Slurm: an array for each number of GPUs, a file of records each.

Nothing is submitted. Every task of an array appends to a file of its own, so no two machines
write to one; `verlcompat merge` takes them all. A task that Slurm starts again goes on where
it was.
"""

from __future__ import annotations

import shlex
import sys
from itertools import groupby
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.execute.spec import render_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pytest_verlcompat.execute.plan import Plan
    from pytest_verlcompat.execute.protocol import Task
    from pytest_verlcompat.resolve.lock import Lock

_MOST = 1000
"""Slurm's default ``MaxArraySize`` is 1001, and an index must be below it.

Source: https://slurm.schedmd.com/slurm.conf.html#OPT_MaxArraySize, read 2026-11-20.
"""
_SPARE_S = 3600.0
"""For building the environment, beyond the deadlines of the probes."""


def write_jobs(
    plan: Plan, *, folder: Path, find_lock: Callable[[Task], Lock], words: Iterable[str]
) -> Path:
    """Return the script, in the new *folder*, that submits *plan*.

    Args:
        words: Further arguments of the agent.

    Raises:
        UsageError: If there are more cells than an array may have.
    """
    cells = list(dict.fromkeys(task.cell.id for task in plan.tasks))
    if len(cells) > _MOST:
        raise UsageError(f"{len(cells)} cells are more than an array has; select {_MOST} at most")
    for name in ("tasks", "records", "logs"):
        (folder / name).mkdir(parents=True)
    by_gpus = sorted(plan.tasks, key=lambda task: task.needs.gpus)
    names = []
    for gpus, each in groupby(by_gpus, key=lambda task: task.needs.gpus):
        tasks = {cells.index(task.cell.id): task for task in each}
        for index, task in tasks.items():
            text = render_spec(task, find_lock(task))
            (folder / "tasks" / f"{index}-{gpus}.json").write_text(text, encoding="utf-8")
        names.append(f"gpus-{gpus}.sbatch")
        script = _render(sorted(tasks), list(tasks.values()), words=words)
        (folder / names[-1]).write_text(script, encoding="utf-8")
    submit = folder / "submit.sh"
    submit.write_text(_render_submit(names), encoding="utf-8")
    submit.chmod(0o755)
    return submit


def _render(indices: Sequence[int], tasks: Sequence[Task], *, words: Iterable[str]) -> str:
    """Return the script of one array."""
    needs = tasks[0].needs
    limit_s = max(sum(probe.timeout_s for probe in task.probes) for task in tasks) + _SPARE_S
    kind = f"{needs.gpu_type}:" if needs.gpu_type else ""
    part = f"$SLURM_ARRAY_TASK_ID-{needs.gpus}"
    lines = [
        "#!/usr/bin/env bash",
        "# written by: verlcompat run --executor slurm",
        f"#SBATCH --job-name=verlcompat-{needs.gpus}",
        f"#SBATCH --array={','.join(map(str, indices))}",
        "#SBATCH --nodes=1",
        "#SBATCH --ntasks=1",
        f"#SBATCH --cpus-per-task={4 if needs.gpus == 0 else 8 * needs.gpus}",
        *([f"#SBATCH --gpus={kind}{needs.gpus}"] if needs.gpus else []),
        f"#SBATCH --mem={max(task.needs.memory_mib for task in tasks)}M",
        f"#SBATCH --time={int(limit_s // 60) + 1}",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        "#SBATCH --output=logs/%x-%a.txt",
        "set -euo pipefail",
        "# A Ray of the node is none of the cells' business.",
        "unset RAY_ADDRESS",
        'cd "${SLURM_SUBMIT_DIR:-$PWD}"',
        f': "${{PYTHON:={sys.executable}}}"',
        f'part="{part}"',
        'exec "$PYTHON" -m pytest_verlcompat.execute.agent \\',
        '  --task "tasks/$part.json" --records "records/$part.jsonl" \\',
        *(['  --after "records/$SLURM_ARRAY_TASK_ID-0.jsonl" \\'] if needs.gpus else []),
        f"  {' '.join(map(shlex.quote, words))}",
    ]
    return "\n".join(lines) + "\n"


def _render_submit(names: Sequence[str]) -> str:
    """Return the script that submits the arrays, each after the one of fewer GPUs."""
    lines = [
        "#!/usr/bin/env bash",
        "# written by: verlcompat run --executor slurm",
        "set -euo pipefail",
        'cd "$(dirname "$0")"',
        f'job="$(sbatch --parsable {names[0]})"',
        *(
            f'job="$(sbatch --parsable --dependency="afterany:${{job%%;*}}" {name})"'
            for name in names[1:]
        ),
        'echo "submitted; the last array is ${job%%;*}; when it is over:"',
        'echo "  verlcompat merge $PWD/records/*.jsonl && verlcompat report"',
    ]
    return "\n".join(lines) + "\n"

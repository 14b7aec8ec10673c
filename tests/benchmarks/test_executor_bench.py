"""Figures of the Ray executor: overhead, efficiency, and nodes and controllers that die.

A cluster of up to four nodes, all on this machine, carries out synthetic cells that sleep for
known times, so the processors are not what limits them. Run by ``nox -s bench``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.store.jsonl import load
from tests.benchmarks.synthetic_cells import SUBJECTS, durations
from tests.execute.ray_nodes import Nodes
from tests.figures import write_figures
from tests.tiny import python_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

pytest.importorskip("ray")
pytestmark = pytest.mark.bench

TITLE = "Cells on a simulated Ray cluster: overhead, efficiency, losses"
COMMAND = "nox -s bench -- tests/benchmarks/test_executor_bench.py"
CELLS = int(os.environ.get("VERLCOMPAT_BENCH_CELLS", "200"))
SLOTS = 3
"""Cells that a node runs at once."""
KILL_EVERY_S = 10.0
LIMIT_S = 420.0
OUTPUT = "output.txt"


def _keep(figures: Mapping[str, object], rows: Sequence[Mapping[str, object]]) -> None:
    write_figures("executor_bench", title=TITLE, command=COMMAND, figures=figures, rows=rows)


def _start(nodes: Nodes, folder: Path) -> subprocess.Popen[bytes]:
    """Start a controller; what it says, and Ray says by it, goes to a file that takes it all."""
    folder.mkdir(exist_ok=True)
    with (folder / OUTPUT).open("wb") as output:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.benchmarks.synthetic_cells"),
                *("--address", nodes.address, "--folder", str(folder), "--cells", str(CELLS)),
            ],
            env={**os.environ, "PYTHONPATH": python_path()},
            stdout=output,
        )


def _count(folder: Path) -> Counter[str]:
    """Return how many records there are, and how many should be."""
    loaded = load(sorted((folder / "evidence").glob("*.jsonl")))
    each = Counter((record.cell_id, record.subject) for record in loaded.records)
    expected = CELLS * len(SUBJECTS)
    return Counter(
        expected=expected,
        found=len(loaded.records),
        duplicated=sum(count - 1 for count in each.values()),
        lost=expected - len(each),
        torn=len(loaded.damaged),
    )


@pytest.mark.parametrize("count", [1, 2, 4])
def test_efficiency(tmp_path: Path, count: int) -> None:
    """The time for all cells against the work divided by the places."""
    work_s = sum(durations(CELLS))
    ideal_s = max(work_s / (SLOTS * count), *durations(CELLS))
    with Nodes.started(count=count, cpus=SLOTS) as nodes:
        process = _start(nodes, tmp_path / "run")
        process.wait(timeout=500)
    out = (tmp_path / "run" / OUTPUT).read_text(encoding="utf-8")
    body = json.loads(out.splitlines()[-1])
    found = _count(tmp_path / "run")

    overhead_ms = round(1000 * (body["wall_s"] * SLOTS * count - work_s) / CELLS, 1)
    _keep(
        {
            f"ray_{count}_nodes_efficiency": round(ideal_s / body["wall_s"], 3),
            f"ray_{count}_nodes_overhead_per_cell_ms": overhead_ms,
        },
        [
            {
                "what": f"{CELLS} cells on {count} nodes of {SLOTS} places",
                "work_s": round(work_s, 1),
                "ideal_s": round(ideal_s, 1),
                "wall_s": body["wall_s"],
                "start_and_talk_per_cell_ms": body["task_overhead_ms"],
            }
        ],
    )
    assert process.returncode == 0, out
    assert (found["lost"], found["duplicated"], found["torn"]) == (0, 0, 0)


def test_nodes_and_controller_that_die(tmp_path: Path) -> None:
    """A node is killed every 10 s and replaced, the controller twice: nothing lost or doubled.

    The ten seconds begin when the other node is there: on a slow machine that takes as long.
    """
    folder = tmp_path / "run"
    expected_s = sum(durations(CELLS)) / (SLOTS * 4)
    moments = (expected_s / 2, expected_s)
    nodes_killed, controllers_killed, starts = 0, 0, 0
    with Nodes.started(count=4, cpus=SLOTS) as nodes:
        started = time.monotonic()
        process, starts = _start(nodes, folder), 1
        last_s = started
        while process.poll() != 0:
            now = time.monotonic()
            if now - started > LIMIT_S:
                process.send_signal(signal.SIGUSR1)  # its stacks go to the captured log
                time.sleep(1)
                pytest.fail("no end in sight")
            if process.poll() is not None:
                process, starts = _start(nodes, folder), starts + 1
            elif controllers_killed < 2 and now - started > moments[controllers_killed]:
                process.kill()
                controllers_killed += 1
            elif now - last_s >= KILL_EVERY_S:
                nodes.kill()
                nodes.add()
                nodes_killed, last_s = nodes_killed + 1, time.monotonic()
            time.sleep(0.2)
        spent_s = time.monotonic() - started
    found = _count(folder)

    _keep(
        {
            "ray_killed_nodes": nodes_killed,
            "ray_killed_controllers": controllers_killed,
            "ray_killed_expected": found["expected"],
            "ray_killed_found": found["found"],
            "ray_killed_duplicated": found["duplicated"],
            "ray_killed_lost": found["lost"],
        },
        [
            {
                "what": f"{CELLS} cells on 4 nodes, one killed every {KILL_EVERY_S:.0f} s",
                "seconds": round(spent_s, 1),
                "seconds_between_kills": round(spent_s / max(nodes_killed, 1), 1),
                "controllers_started": starts,
                "torn": found["torn"],
            }
        ],
    )
    assert controllers_killed == 2
    assert nodes_killed >= 2
    assert found["found"] == found["expected"]
    assert (found["lost"], found["duplicated"], found["torn"]) == (0, 0, 0)

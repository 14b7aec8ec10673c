"""Figures of the spine: idle plugin, harness overhead, second run. Run by ``nox -s bench``."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.probes.launch import Patient, launch
from pytest_verlcompat.probes.registry import RUNNER, read_probe
from pytest_verlcompat.process.environ import probe_environ
from pytest_verlcompat.resolve.lock import make_lock
from tests.conftest import ROOT
from tests.figures import Spent, make_venv, measure, measure_command, median_ms, write_figures
from tests.tiny import MACHINE, TinyWorkspace, python_path, write_probe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

pytestmark = pytest.mark.bench

TITLE = "The spine: idle plugin, harness overhead, second run"
COMMAND = "nox -s bench -- tests/benchmarks/test_spine_bench.py"
ROUNDS = 21
IDLE_LIMIT_MS = 10.0
OVERHEAD_LIMIT = 1.05
SECOND_RUN_LIMIT_S = 5.0


def _keep(figures: Mapping[str, object], rows: Sequence[Mapping[str, object]]) -> None:
    write_figures("spine_bench", title=TITLE, command=COMMAND, figures=figures, rows=rows)


def test_idle_plugin_costs_at_most_10_ms(tmp_path: Path) -> None:
    """A bare ``pytest`` run with the plugin installed, next to one without and one with xdist."""
    pythons = {
        "absent": make_venv(tmp_path / "absent", "pytest", "packaging"),
        "verlcompat": make_venv(tmp_path / "verlcompat", "pytest", "packaging", str(ROOT)),
        "pytest-xdist": make_venv(tmp_path / "xdist", "pytest", "packaging", "pytest-xdist"),
    }
    empty = tmp_path / "empty"
    empty.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    spent: dict[str, list[Spent]] = {name: [] for name in pythons}

    for turn in range(ROUNDS + 2):
        for name, python in pythons.items():
            argv = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
            once = measure_command(argv, cwd=empty, env=env)
            if turn >= 2:  # the first rounds warm the file cache
                spent[name].append(once)

    cost = {
        name: median_ms(
            [one.cpu_s - bare.cpu_s for one, bare in zip(spent[name], spent["absent"], strict=True)]
        )
        for name in ("verlcompat", "pytest-xdist")
    }
    _keep(
        {
            "idle_cost_verlcompat_ms": cost["verlcompat"],
            "idle_cost_pytest_xdist_ms": cost["pytest-xdist"],
            "idle_cost_limit_ms": IDLE_LIMIT_MS,
            "idle_cost_is": f"median of {ROUNDS} paired differences in processor time",
        },
        [
            {
                "what": f"bare pytest run, plugin: {name}",
                "rounds": ROUNDS,
                "median_wall_ms": median_ms([each.wall_s for each in each_spent]),
                "median_cpu_ms": median_ms([each.cpu_s for each in each_spent]),
                "least_cpu_ms": round(min(each.cpu_s for each in each_spent) * 1000, 1),
            }
            for name, each_spent in spent.items()
        ],
    )

    assert cost["verlcompat"] <= IDLE_LIMIT_MS


_WORK = """
total = 0
for number in range(30_000_000):
    total += number & 7
print(total)
return {'total': total}
"""


def test_harness_overhead_is_at_most_5_percent(tmp_path: Path) -> None:
    """A probe of some seconds through `launch`, against the same runner started by hand."""
    probe = read_probe(write_probe(tmp_path / "scripts", "work", _WORK, TIMEOUT_S=120.0))
    patient = Patient(
        python=Path(sys.executable),
        interpreter="CPython",
        versions={"alpha": "1.0"},
        lock_sha256="bb",
        environment_id="cc",
        machine=MACHINE,
    )

    def by_harness() -> None:
        assert launch(probe, patient, logs=tmp_path / "logs").outcome is Outcome.PASSED

    def by_hand() -> None:
        control = tmp_path / "control"
        for name in ("home", "s"):
            (control / name).mkdir(parents=True, exist_ok=True)
        (control / "input.json").write_text(json.dumps({"versions": {"alpha": "1.0"}}))
        subprocess.run(
            [sys.executable, "-I", RUNNER, probe.script, control],
            env=probe_environ(os.environ, home=control / "home", scratch=control / "s"),
            cwd=control / "s",
            stdout=subprocess.DEVNULL,
            check=True,
        )

    pairs = []
    for turn in range(7):
        order = (by_harness, by_hand) if turn % 2 else (by_hand, by_harness)
        once = {step: measure(step) for step in order}
        pairs.append((once[by_harness], once[by_hand]))

    wall = round(statistics.median(ours.wall_s / bare.wall_s for ours, bare in pairs), 4)
    cpu = round(statistics.median(ours.cpu_s / bare.cpu_s for ours, bare in pairs), 4)
    _keep(
        {
            "harness_overhead_wall_ratio": wall,
            "harness_overhead_cpu_ratio": cpu,
            "harness_overhead_limit": OVERHEAD_LIMIT,
        },
        [
            {
                "what": "probe of some seconds, through launch against by hand",
                "pairs": len(pairs),
                "median_wall_ms_launch": median_ms([ours.wall_s for ours, _ in pairs]),
                "median_wall_ms_by_hand": median_ms([bare.wall_s for _, bare in pairs]),
                "median_cpu_ms_launch": median_ms([ours.cpu_s for ours, _ in pairs]),
                "median_cpu_ms_by_hand": median_ms([bare.cpu_s for _, bare in pairs]),
            }
        ],
    )

    assert cpu <= OVERHEAD_LIMIT


def test_second_run_of_a_tiny_cell_is_under_5_s(tiny_workspace: TinyWorkspace) -> None:
    """With all evidence current a run reads, renders and ends."""
    tiny_workspace.write_probe("engine", "import alpha")
    cell_id = tiny_workspace.write_cell()
    make_lock(tiny_workspace.matrix().cells[cell_id], folder=tiny_workspace.workspace.locks)
    argv = tiny_workspace.command("run", cell_id)
    env = {**os.environ, "PYTHONPATH": python_path()}
    first = measure(lambda: subprocess.run(argv, env=env, check=True, capture_output=True))

    again = [
        measure(lambda: subprocess.run(argv, env=env, check=True, capture_output=True))
        for _ in range(5)
    ]

    _keep(
        {
            "second_run_tiny_cell_ms": median_ms([each.wall_s for each in again]),
            "second_run_limit_ms": SECOND_RUN_LIMIT_S * 1000,
        },
        [
            {
                "what": "verlcompat run of a tiny cell of two wheels",
                "first_wall_ms": round(first.wall_s * 1000, 1),
                "median_wall_ms_when_current": median_ms([each.wall_s for each in again]),
                "median_cpu_ms_when_current": median_ms([each.cpu_s for each in again]),
            }
        ],
    )
    assert statistics.median(each.wall_s for each in again) < SECOND_RUN_LIMIT_S

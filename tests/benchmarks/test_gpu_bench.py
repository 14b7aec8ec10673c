"""What the GPU probes cost, from the records themselves: a GPU is lent seldom, and elsewhere.

Needs no GPU. Every row is a probe of a cell on a machine with GPUs, as its script is today; two
runs of it are compared. The first run of a suite compiles kernels that those after it find.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.probes.registry import list_probes
from pytest_verlcompat.store.jsonl import load
from tests.conftest import ROOT
from tests.figures import write_figures

if TYPE_CHECKING:
    from pytest_verlcompat.model.evidence import Evidence

COMMAND = "pytest -m bench tests/benchmarks/test_gpu_bench.py"
SUITE_S = 360.0
"""Of the probes that need one GPU, the trainer runs left out."""

pytestmark = pytest.mark.bench


def _records() -> dict[tuple[str, str], list[Evidence]]:
    found = defaultdict(list)
    today = {probe.name: probe.sha256 for probe in list_probes()}
    for record in load(sorted((ROOT / "reports" / "evidence").glob("*.jsonl"))).records:
        tried = record.outcome in {Outcome.PASSED, Outcome.FAILED}
        current = record.subject_sha256 == today.get(record.subject)
        if tried and current and record.machine.gpus and record.rung in {Rung.GPU, Rung.TRAIN}:
            found[str(record.cell_id), record.subject].append(record)
    return found


def test_gpu_probes_cost_what_they_cost_and_end_alike_twice() -> None:
    """Wall clock and peak memory a probe; equal outcomes in every run; nothing left behind."""
    rows: list[dict[str, Any]] = []
    slowest: dict[str, float] = defaultdict(float)
    quickest: dict[str, float] = defaultdict(float)
    left = []
    several = {probe.name for probe in list_probes() if probe.gpus > 1}
    for (cell, subject), records in sorted(_records().items()):
        walls = [record.duration_s for record in records]
        memory = [record.facts["gpu_memory"] for record in records]
        left += [each for each in memory if each["after_mib"] > each["before_mib"]]
        rows.append(
            {
                "what": f"{subject} ({cell})",
                "runs": len(records),
                "outcomes": sorted({record.outcome.value for record in records}),
                "wall_s": [round(wall, 1) for wall in walls],
                "spread": round(max(walls) / min(walls) - 1, 3),
                "peak_mib": [each["peak_mib"] for each in memory],
            }
        )
        if records[0].rung is Rung.GPU and subject not in several:
            slowest[cell] += max(walls)
            quickest[cell] += min(walls)

    write_figures(
        "gpu_bench",
        title="GPU probes on an H200: seconds and memory, run by run",
        command=COMMAND,
        figures={
            "asked_suite_s": SUITE_S,
            "suite_s": {cell: round(wall, 1) for cell, wall in slowest.items()},
            "suite_with_kernels_s": {cell: round(wall, 1) for cell, wall in quickest.items()},
            "runs_that_left_memory": len(left),
        },
        rows=rows,
    )
    assert rows
    assert all(len(row["outcomes"]) == 1 for row in rows)
    assert left == []

"""Stacks on one machine, side by side: what is read from which record, and what is left empty."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_verlcompat.model.machine import Gpu
from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.report.site_gpu import MEASURES, make_machines, name_machine
from pytest_verlcompat.report.site_pages import render_site
from tests.report.conftest import make_report
from tests.tiny import MACHINE, make_evidence

if TYPE_CHECKING:
    from tests.tiny import TinyWorkspace

GPU = Gpu(name="NVIDIA H200", memory_mib=143771, compute_capability="9.0")
HOST = dataclasses.replace(MACHINE, driver="580.1", gpus=(GPU,), cpus=16)
RECORDS = [
    make_evidence(
        subject="engine_start_vllm",
        rung=Rung.GPU,
        machine=HOST,
        duration_s=50.0,
        facts={
            "engines": {
                "LLM": {"start_s": 9.5, "in_use_mib": 5287, "tokens_per_s": 3003.6},
                "AsyncLLM under asyncio": {"first_token_s": 0.0055},
            }
        },
    ),
    make_evidence(
        subject="rollout_agreement",
        rung=Rung.GPU,
        machine=HOST,
        duration_s=20.0,
        facts={"difference": {"mean": 0.0193, "largest": 0.1}},
    ),
    make_evidence(
        subject="main_ppo_vllm",
        rung=Rung.TRAIN,
        machine=HOST,
        peak_gpu_mib=23414,
        facts={
            "step_s": [12.7, 2.9, 3.1],
            "tokens_per_s": [145.0, 725.0, 724.0],
            "update_weights_s": [0.18, 0.19, 0.17],
            "mismatch_mean": [0.001, 0.002, 0.0],
            "mismatch_max": [0.018, 0.028, 0.0],
        },
    ),
]


def test_figures_come_from_the_probes_that_measure_them() -> None:
    """The trainer's first step, which warms up, does not count; a mismatch is the worst one."""
    found = [read(RECORDS) for _, _, read in MEASURES]

    assert found == [
        *(9.5, 5287.0, 3003.6, 0.0055, 3.0, 724.5),
        *(0.18, 23414.0, 0.002, 0.028, 0.0193, 0.1, 70.0),
    ]


def test_failed_probes_and_odd_facts_measure_nothing() -> None:
    """What is no number is left out rather than shown."""
    records = [
        dataclasses.replace(RECORDS[0], outcome=Outcome.FAILED, duration_s=0.0),
        make_evidence(subject="main_ppo_vllm", facts={"step_s": "x", "mismatch_mean": [None]}),
        make_evidence(subject="rollout_agreement", facts={"difference": {"mean": True}}),
    ]

    assert {read(records) for _, _, read in MEASURES} == {None}


def test_stacks_stand_beside_each_other_only_on_one_machine(checkout: TinyWorkspace) -> None:
    """Another driver or another number of cores is another table."""
    report = make_report(checkout)
    other = dataclasses.replace(HOST, cpus=96)
    moved = [dataclasses.replace(each, machine=other) for each in RECORDS]
    first, second, third = (
        dataclasses.replace(report.cells[0], records=tuple(records))
        for records in (RECORDS, RECORDS, moved)
    )

    machines = make_machines(dataclasses.replace(report, cells=(first, second, third)))

    assert [each["name"] for each in machines] == [name_machine(HOST), name_machine(other)]
    assert [len(each["stacks"]) for each in machines] == [2, 1]
    assert machines[0]["rows"][0]["values"] == ["9.5", "9.5"]
    assert machines[0]["rows"][1]["values"] == ["5,287", "5,287"]


def test_page_shows_what_was_measured_and_a_dash_for_the_rest(checkout: TinyWorkspace) -> None:
    """A stack without one figure keeps its column."""
    report = make_report(checkout)
    cells = tuple(
        dataclasses.replace(report.cells[0], records=tuple(records))
        for records in (RECORDS, RECORDS[:1])
    )

    page = render_site(dataclasses.replace(report, cells=cells))["gpu.html"]

    assert "1 x NVIDIA H200, driver 580.1, 16 cores" in page
    assert '<td class="n">0.0193</td><td class="n">\u2013</td>' in page

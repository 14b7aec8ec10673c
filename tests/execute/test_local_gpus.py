"""A cell's GPU probes on a machine that has no GPU yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.execute.local import LocalExecutor
from pytest_verlcompat.model.outcome import Ending, Outcome
from pytest_verlcompat.probes.registry import list_probes
from pytest_verlcompat.process.gpu_lease import GpuPool
from pytest_verlcompat.store.jsonl import load_cell_evidence
from tests.carried import build_tiny_cell, tiny_environ
from tests.fake_nvml import install_fake_nvml
from tests.tiny import MACHINE

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_probe_without_gpus_is_due_again_when_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Want of GPUs is recorded once, not at every run, and is no answer once there are some."""
    for name, value in tiny_environ(tmp_path).items():
        monkeypatch.setenv(name, value)
    nvml = install_fake_nvml(tmp_path, monkeypatch)
    tiny = build_tiny_cell(tmp_path)
    tiny.workspace.write_probe("wants_one", GPUS=1, RUNG="gpu")
    workspace = tiny.workspace.workspace
    executor = LocalExecutor(
        workspace=workspace, machine=MACHINE, say=lambda *_: None, gpus=GpuPool(wait_s=0)
    )
    seen = []
    for used_mib in ((), (), (0,), (0,)):
        nvml.gpus(*used_mib)
        executor.run_cell(tiny.cell, probes=list_probes(tiny.workspace.scripts))
        records = load_cell_evidence(workspace.evidence, tiny.cell.id).records
        seen.append([each for each in records if each.subject == "wants_one"])

    assert [len(each) for each in seen] == [1, 1, 2, 2]
    lacking, passed = seen[-1]
    assert (lacking.outcome, lacking.ending) == (Outcome.SKIPPED, Ending.NOT_STARTED)
    assert lacking.lacks == ("1 free GPU; visible: 0 (the driver has no GPU)",)
    assert passed.outcome is Outcome.PASSED

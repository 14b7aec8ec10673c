"""The machine is described by what compatibility depends on, with a real or made driver tool."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.model.machine import Gpu
from pytest_verlcompat.process.inventory import describe_machine

if TYPE_CHECKING:
    from pathlib import Path

_SMI = """#!/bin/sh
case "$1" in
  --query-gpu*) printf '%s' "$ROWS" ;;
  *) echo '| NVIDIA-SMI 570.1     Driver Version: 570.1    CUDA Version: 12.8     |' ;;
esac
"""


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a tool on PATH that answers as nvidia-smi does, with the rows of ``ROWS``."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(_SMI)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tool


def test_machine_without_a_driver_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown is ``None``, and no GPU is an empty tuple."""
    monkeypatch.setenv("PATH", str(tmp_path))

    machine = describe_machine()

    assert machine.system == platform.system()
    assert machine.architecture == platform.machine()
    assert machine.cpus >= 1
    assert machine.driver is None
    assert machine.driver_cuda is None
    assert machine.gpus == ()


def test_gpus_are_read_from_the_driver_tool(
    nvidia_smi: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name, memory and capability of each device, and both versions of the driver."""
    monkeypatch.setenv("ROWS", "NVIDIA H200, 143771, 9.0, 570.1\nNVIDIA H200, [N/A], 9.0, 570.1\n")

    machine = describe_machine()

    assert machine.driver == "570.1"
    assert machine.driver_cuda == "12.8"
    assert machine.gpus == (
        Gpu(name="NVIDIA H200", memory_mib=143771, compute_capability="9.0"),
        Gpu(name="NVIDIA H200", memory_mib=None, compute_capability="9.0"),
    )


def test_tool_that_talks_nonsense_means_no_gpu(
    nvidia_smi: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that is broken is not guessed at."""
    monkeypatch.setenv("ROWS", "NVIDIA-SMI has failed because it couldn't communicate\n")

    machine = describe_machine()

    assert machine.gpus == ()
    assert machine.driver is None

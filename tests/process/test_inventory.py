"""The machine is described by what compatibility depends on; the driver's library is a real one."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from pytest_verlcompat.model.machine import Gpu
from pytest_verlcompat.process.inventory import describe_machine
from tests.fake_nvml import TOTAL_MIB, install_fake_nvml

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_machine_whose_driver_does_not_start_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown is ``None``, and no GPU is an empty tuple."""
    install_fake_nvml(tmp_path, monkeypatch).set("init 9")

    machine = describe_machine()

    assert machine.system == platform.system()
    assert machine.architecture == platform.machine()
    assert machine.cpus >= 1
    assert machine.driver is None
    assert machine.driver_cuda is None
    assert machine.gpus == ()


def test_gpus_are_read_from_the_driver_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name, memory and capability of each GPU that answers, and both versions of the driver."""
    install_fake_nvml(tmp_path, monkeypatch).gpus(0, 10, 0, status=[0, 15, 0])

    machine = describe_machine()

    assert machine.driver == "580.65.06"
    assert machine.driver_cuda == "13.0"
    assert machine.gpus == (
        Gpu(name="Fake H200", memory_mib=TOTAL_MIB, compute_capability="9.0"),
        Gpu(name="Fake H200", memory_mib=TOTAL_MIB, compute_capability="9.0"),
    )


def test_capability_that_an_old_driver_does_not_tell_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing function of the library costs its own answer and no other."""
    install_fake_nvml(tmp_path, monkeypatch, old=True).gpus(0)

    machine = describe_machine()

    assert [gpu.compute_capability for gpu in machine.gpus] == [None]
    assert machine.driver == "580.65.06"


def test_driver_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record is worth having even from a machine whose driver is stuck."""
    install_fake_nvml(tmp_path, monkeypatch).set("hang")

    machine = describe_machine(timeout_s=0.5)

    assert machine.gpus == ()

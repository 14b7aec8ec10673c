"""GPUs of one process: shared between its fixtures, kept from others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.plugin.devices import Devices
from pytest_verlcompat.process.gpu_lease import GpuPool, Lack, Lease
from tests.fake_nvml import install_fake_nvml

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def labels(found: Lease | Lack) -> list[str] | str:
    """Return what was lent, or why nothing was."""
    return found.text if isinstance(found, Lack) else [device.label for device in found.devices]


def test_fixtures_of_one_test_share_and_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who holds one and asks for two gets one more; who holds nothing finds them taken."""
    install_fake_nvml(tmp_path, monkeypatch).gpus(0, 0)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    ours, others = Devices(GpuPool(wait_s=0)), Devices(GpuPool(wait_s=0))

    with (
        ours.borrow(1) as engine,
        ours.borrow(1) as test,
        ours.borrow(2) as both,
        others.borrow(1) as theirs,
    ):
        found = [labels(each) for each in (engine, test, both, theirs)]
    with others.borrow(2) as after:
        freed = labels(after)

    assert found[:3] == [["GPU 0"], ["GPU 0"], ["GPU 0", "GPU 1"]]
    assert str(found[3]).startswith("1 free GPU; visible: 2 (GPU 0: held by other probes")
    assert freed == ["GPU 0", "GPU 1"]

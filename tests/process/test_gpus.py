"""What is visible, by CUDA's rules, and who begins where."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.process import gpus
from pytest_verlcompat.process.gpus import (
    Reading,
    list_visible,
    read_gpus,
    share,
    visible_text,
)
from tests.fake_nvml import FakeNvml, install_fake_nvml, uuid

if TYPE_CHECKING:
    from pathlib import Path

MIG_1, MIG_2 = "MIG-1e2f0000-0000-5000-8000-000000000001", "MIG-1e3f0000-0000-5000-8000-2"
MIG_LINE = f"0 {uuid(1)} 5 1/0:{MIG_1}:7,2/0:{MIG_2}:9"


@pytest.fixture
def nvml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    """Return a fake library that is asked in place of the driver's."""
    return install_fake_nvml(tmp_path, monkeypatch)


@pytest.fixture
def three(nvml: FakeNvml) -> Reading:
    """Return what NVML says of three whole GPUs."""
    nvml.gpus(3, 4, 5)
    return read_gpus()


def labels(text: str | None, reading: Reading) -> list[str]:
    """Return the numbers of the visible GPUs."""
    return [each.label.removeprefix("GPU ") for each in list_visible(text, reading).devices]


def test_unset_variable_shows_every_gpu(three: Reading) -> None:
    """Where CUDA_VISIBLE_DEVICES is not set, all are visible, named by index."""
    visible = list_visible(None, three)

    assert [each.entry for each in visible.devices] == ["0", "1", "2"]
    assert [each.used_mib for each in visible.devices] == [3, 4, 5]
    assert visible.note is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2,0", ["2", "0"]),
        (" 1 , 2", ["1", "2"]),
        ("0,2,-1,1", ["0", "2"]),
        ("-1", []),
        ("0,9,1", ["0"]),
        ("", []),
        ("none", []),
        ("1gpu,2", ["1", "2"]),
        ("0,1,0", []),
        (uuid(2), ["2"]),
        ("GPU-1a,GPU-0a", ["1", "0"]),
        ("GPU-", []),
        ("GPU-1a,GPU-ff,GPU-0a", ["1"]),
        ("GPU-1a,0", ["1"]),
        (f"GPU-1a,{uuid(1)}", []),
        (f"0,{uuid(1)}", ["0"]),
        ("MIG-1", []),
    ],
)
def test_list_is_read_as_cuda_reads_it(three: Reading, text: str, expected: list[str]) -> None:
    """Order is kept, an invalid entry ends the list, a duplicate empties it."""
    assert labels(text, three) == expected


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("", "CUDA_VISIBLE_DEVICES is empty"),
        ("0,9", "CUDA_VISIBLE_DEVICES ends at '9', which names no device"),
        ("1,1", "CUDA_VISIBLE_DEVICES names '1' twice, which hides all"),
    ],
)
def test_shortened_list_says_why(three: Reading, text: str, note: str) -> None:
    """A list that shows less than it names comes with the reason."""
    assert list_visible(text, three).note == note


def test_caller_keeps_its_way_of_naming(three: Reading) -> None:
    """A beginning of a UUID stays one, an index stays an index."""
    assert visible_text(list_visible("GPU-2a,GPU-0a", three).devices) == "GPU-2a,GPU-0a"
    assert visible_text(list_visible("2,+0", three).devices) == "2,0"


def test_gpu_in_mig_mode_is_its_instances(nvml: FakeNvml) -> None:
    """A GPU in MIG mode cannot be used whole; its instances can, by name."""
    nvml.set(f"0 {uuid(0)} 3", MIG_LINE)
    reading = read_gpus()

    assert labels(None, reading) == ["0", "1 MIG 1/0", "1 MIG 2/0"]
    assert labels("MIG-1e3f", reading) == ["1 MIG 2/0"]
    assert labels(f"MIG-{uuid(1)}/2/0", reading) == ["1 MIG 2/0"]
    assert labels("MIG-1e", reading) == []
    assert labels(uuid(1), reading) == []
    assert labels("1", reading) == ["1 MIG 1/0"]


def test_memory_the_driver_reserves_is_nobodys(nvml: FakeNvml) -> None:
    """600 MiB reserved by the driver do not count as used."""
    nvml.gpus(0)

    assert read_gpus().gpus[0]["used_mib"] == 0


def test_older_driver_is_asked_the_older_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library without nvmlDeviceGetMemoryInfo_v2 still says how full a GPU is."""
    install_fake_nvml(tmp_path, monkeypatch, old=True).gpus(17)

    assert read_gpus().gpus[0]["used_mib"] == 17


@pytest.mark.parametrize(("status", "word"), [(15, "GPU is lost"), (999, "unknown error")])
def test_lost_gpu_keeps_its_number(nvml: FakeNvml, status: int, word: str) -> None:
    """A GPU that fell off the bus is listed with the driver's word; the next keeps its index."""
    nvml.gpus(0, 1, status=[status])
    devices = list_visible(None, read_gpus()).devices

    assert [each.error for each in devices] == [word, None]
    assert devices[1].entry == "1"


def test_gpu_without_permission_is_not_counted(nvml: FakeNvml) -> None:
    """CUDA leaves out what the process may not open, so the next GPU is number 0."""
    nvml.gpus(0, 8, status=[4])
    (device,) = list_visible(None, read_gpus()).devices

    assert (device.label, device.used_mib) == ("GPU 0", 8)


@pytest.mark.parametrize(
    ("status", "word"), [(9, "driver not loaded"), (18, "driver and library version mismatch")]
)
def test_library_that_does_not_start_is_named(nvml: FakeNvml, status: int, word: str) -> None:
    """A driver that is not loaded, or of another version, is the reason why nothing is visible."""
    nvml.set(f"init {status}", f"0 {uuid(0)} 3")

    assert list_visible(None, read_gpus()).note == word


def test_machine_without_driver_has_no_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the driver's library is missing that is what is said."""
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"not a library")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))

    assert list_visible("0", read_gpus()).note == "no libnvidia-ml.so.1"


def test_driver_that_hangs_is_given_up(nvml: FakeNvml) -> None:
    """A driver that never answers costs the deadline and no more."""
    nvml.set("hang")
    started = time.monotonic()
    reading = read_gpus(timeout_s=0.5)

    assert time.monotonic() - started < 5
    assert reading.error is not None
    assert "gave no answer" in reading.error


def test_library_that_crashes_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nvml: FakeNvml
) -> None:
    """A driver that crashes its process ends a child of ours and is named."""
    script = tmp_path / "crash.py"
    script.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", encoding="utf-8")
    monkeypatch.setattr(gpus, "NVML_SCRIPT", script)

    assert read_gpus().error == "NVML ended with SIGSEGV"


@pytest.mark.parametrize(
    ("workers", "count", "starts"),
    [
        (1, 1, ["0"]),
        (2, 1, ["0", "2"]),
        (4, 1, ["0", "1", "2", "3"]),
        (6, 1, ["0", "1", "2", "3", "0", "1"]),
        (2, 2, ["0", "2"]),
        (3, 2, ["0", "2", "0"]),
        (2, 4, ["0", "0"]),
    ],
)
def test_workers_begin_apart(nvml: FakeNvml, workers: int, count: int, starts: list[str]) -> None:
    """As long as there are enough, no two workers ask for the same devices first."""
    nvml.gpus(0, 0, 0, 0)
    visible = list_visible(None, read_gpus()).devices
    orders = [share(visible, worker=each, workers=workers, count=count) for each in range(workers)]

    assert [order[0].entry for order in orders] == starts
    assert all(set(order) == set(visible) for order in orders)


def test_nothing_is_shared_where_nothing_is_visible() -> None:
    """No devices, no order."""
    assert share((), worker=1, workers=2, count=1) == ()

"""Borrowing GPUs: apart from each other, and from strangers."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.process import gpu_lease
from pytest_verlcompat.process.gpu_lease import GpuPool, Lack, Lease, Watch
from tests.fake_nvml import FakeNvml, install_fake_nvml, uuid

ROOT = Path(__file__).parents[2]


@pytest.fixture
def nvml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    """Return a fake library, asked quickly."""
    monkeypatch.setattr(gpu_lease, "_POLL_S", 0.05)
    monkeypatch.setattr(gpu_lease, "_SETTLE_S", 1.0)
    return install_fake_nvml(tmp_path, monkeypatch)


def lack_text(pool: GpuPool, count: int) -> str:
    """Return why *pool* does not lend *count* devices."""
    with pool.borrow(count) as lease:
        assert isinstance(lease, Lack)
        return lease.text


def entries(lease: Lease | Lack) -> str:
    """Return what a lease shows to a child."""
    assert isinstance(lease, Lease), lease
    return lease.visible_devices


def test_two_borrowers_get_different_gpus(nvml: FakeNvml) -> None:
    """What one holds the other does not get, even if both begin with the same."""
    nvml.gpus(0, 0)
    pool = GpuPool()

    with pool.borrow(1) as one, pool.borrow(1) as other:
        assert {entries(one), entries(other)} == {"0", "1"}


def test_probe_on_two_gets_two(nvml: FakeNvml) -> None:
    """A probe that asks for two devices has both, in the caller's order."""
    nvml.gpus(0, 0, 0)

    with GpuPool(environ={"CUDA_VISIBLE_DEVICES": "2,0"}).borrow(2) as lease:
        assert entries(lease) == "2,0"


def test_gpu_in_use_by_others_is_left_alone(nvml: FakeNvml) -> None:
    """A device with more memory in use than the floor is passed over; one below it is not."""
    nvml.gpus(1025, 1024)

    with GpuPool().borrow(1) as lease:
        assert entries(lease) == "1"


def test_floor_can_be_raised(nvml: FakeNvml) -> None:
    """Who knows that the memory is harmless may say so."""
    nvml.gpus(4000)

    with GpuPool(floor_mib=4096).borrow(1) as lease:
        assert entries(lease) == "0"


@pytest.mark.parametrize(
    ("lines", "visible", "count", "text"),
    [
        (
            [f"0 {uuid(0)} 12288"],
            None,
            2,
            "2 free GPUs; visible: 1 (GPU 0: 12.0 GiB used by others)",
        ),
        (
            [f"15 {uuid(0)} 0"],
            None,
            1,
            "1 free GPU; visible: 1 (GPU 0: GPU is lost)",
        ),
        (
            [f"0 {uuid(0)} 0"],
            "",
            1,
            "1 free GPU; visible: 0 (CUDA_VISIBLE_DEVICES is empty)",
        ),
        (
            [f"0 {uuid(0)} 0", f"0 {uuid(1)} 0"],
            "0,7",
            2,
            "2 free GPUs; visible: 1 (CUDA_VISIBLE_DEVICES ends at '7', which names no device)",
        ),
        (
            [f"0 {uuid(0)} 0 1/0:MIG-aa:0,2/0:MIG-bb:0"],
            None,
            2,
            "2 free GPUs; visible: 2 (CUDA shows a process one MIG instance at the most)",
        ),
        ([], None, 1, "1 free GPU; visible: 0 (the driver has no GPU)"),
    ],
)
def test_lack_names_exactly_what_is_missing(
    nvml: FakeNvml, lines: list[str], visible: str | None, count: int, text: str
) -> None:
    """The reason says how many are needed, how many are visible, and what keeps each."""
    nvml.set(*lines)
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    pool = GpuPool(environ=environ, wait_s=0)

    assert lack_text(pool, count) == text
    assert pool.find_lack(count) == text


def test_mig_instances_are_lent_one_by_one(nvml: FakeNvml) -> None:
    """Two probes on one device each may have two instances of one GPU."""
    nvml.set(f"0 {uuid(0)} 0 1/0:MIG-aa:0,2/0:MIG-bb:0")

    with GpuPool().borrow(1) as one, GpuPool().borrow(1) as other:
        assert {entries(one), entries(other)} == {"MIG-aa", "MIG-bb"}


def test_waiting_ends_when_the_other_gives_back(nvml: FakeNvml) -> None:
    """A borrower without a free device waits for one that a probe of ours holds."""
    nvml.gpus(0)
    got: list[str] = []
    pool = GpuPool(wait_s=20)

    def wait() -> None:
        with pool.borrow(1) as lease:
            got.append(entries(lease))

    with pool.borrow(1):
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.5)
        assert got == []
    thread.join(20)

    assert got == ["0"]


def test_waiting_has_an_end(nvml: FakeNvml) -> None:
    """A device that another probe does not give back in time is lacking, and says so."""
    nvml.gpus(0)

    with GpuPool().borrow(1):
        text = lack_text(GpuPool(wait_s=0.2), 1)

    assert text == "1 free GPU; visible: 1 (GPU 0: held by other probes for 0 s)"


def test_pairs_do_not_wait_for_each_other(nvml: FakeNvml) -> None:
    """Three borrowers of two GPUs out of two, naming them in either order, all get them in turn."""
    nvml.gpus(0, 0)
    got: list[str] = []

    def take(visible: str) -> None:
        with GpuPool(environ={"CUDA_VISIBLE_DEVICES": visible}, wait_s=30).borrow(2) as lease:
            got.append(entries(lease))
            time.sleep(0.2)

    threads = [threading.Thread(target=take, args=(each,)) for each in ("0,1", "1,0", "0,1")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)

    assert sorted(got) == ["0,1", "0,1", "1,0"]


def test_lock_holds_between_processes_and_ends_with_them(nvml: FakeNvml) -> None:
    """Another session sees what is held; when its holder is killed, the device is free."""
    nvml.gpus(0)
    script = textwrap.dedent("""
        import sys, time
        from pytest_verlcompat.process.gpu_lease import GpuPool
        with GpuPool().borrow(1) as lease:
            print(lease.visible_devices, flush=True)
            time.sleep(60)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "0\n"
        held = lack_text(GpuPool(wait_s=0), 1)
        holder.kill()

    with GpuPool(wait_s=5).borrow(1) as lease:
        assert entries(lease) == "0"
    assert "held by other probes" in held


def test_folder_of_somebody_else_is_refused(tmp_path: Path, nvml: FakeNvml) -> None:
    """Locks do not go through a link that another user could have laid."""
    nvml.gpus(0)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"verlcompat-gpus-{os.getuid()}").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(UsageError, match="TMPDIR"), GpuPool().borrow(1):
        pass


def test_free_gpus_are_counted(nvml: FakeNvml) -> None:
    """What others use or what does not answer is no place for a worker."""
    nvml.gpus(0, 5000, 10, 0, status=[0, 0, 0, 15])

    assert GpuPool().count_free() == 2


def test_watch_sees_the_peak_and_what_is_left(nvml: FakeNvml) -> None:
    """Memory is followed while something runs: most at once, and what stays behind."""
    nvml.gpus(10)

    with GpuPool().borrow(1) as lease:
        assert isinstance(lease, Lease)
        with Watch(lease, limit_s=30) as watch:
            wait_for_reading(watch)
            nvml.gpus(5010)
            wait_for_reading(watch, contains="5010")
            nvml.gpus(310)

    assert watch.peak_mib == 5000
    assert watch.after_mib == 310
    assert watch.error is None


def test_watch_waits_for_memory_to_come_back(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that is given back a moment after the end is not counted as left."""
    monkeypatch.setattr(gpu_lease, "_SETTLE_S", 20.0)
    nvml.gpus(10)

    with GpuPool().borrow(1) as lease:
        assert isinstance(lease, Lease)
        with Watch(lease, limit_s=30) as watch:
            nvml.gpus(900)
            later = threading.Timer(0.5, nvml.gpus, (11,))
            later.start()

    assert watch.after_mib == 11


def test_watch_sees_a_gpu_fall_off_the_bus(nvml: FakeNvml) -> None:
    """A device that stops answering meanwhile is named with the driver's word."""
    nvml.gpus(10)

    with GpuPool().borrow(1) as lease:
        assert isinstance(lease, Lease)
        with Watch(lease, limit_s=30) as watch:
            wait_for_reading(watch)
            nvml.gpus(10, status=[15])

    assert watch.error == "GPU 0: GPU is lost"
    assert watch.after_mib is None


def test_lease_of_two_counts_both(nvml: FakeNvml) -> None:
    """Memory in use before is that of all leased devices and of no other."""
    nvml.gpus(10, 500, 20)

    with GpuPool(environ={"CUDA_VISIBLE_DEVICES": "0,2"}).borrow(2) as lease:
        assert isinstance(lease, Lease)
        assert lease.used_mib == 30


def wait_for_reading(watch: Watch, *, contains: str = "uuid") -> None:
    """Return once the watch has written a reading that has *contains* in it."""
    until = time.monotonic() + 20
    while contains not in (watch.output.read_text() if watch.output.exists() else ""):
        assert time.monotonic() < until
        time.sleep(0.05)

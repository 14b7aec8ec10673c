"""Borrow GPUs, so that no two probes of this user are on one device and none disturbs others.

A lease is a lock file a device, below the temporary directory: it holds between the workers
of one session and between sessions, and ends with the process that holds it. Programs that
know nothing of these locks are noticed by the memory they use.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_verlcompat.errors import UsageError, VerlcompatError
from pytest_verlcompat.process.environ import tool_environ
from pytest_verlcompat.process.gpus import (
    Device,
    Reading,
    Visible,
    list_visible,
    nvml_argv,
    parse_readings,
    read_gpus,
    share,
    visible_text,
)
from pytest_verlcompat.process.run import Limits, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

FLOOR_MIB = 1024
"""A GPU of which others use more is left to them. A display or a monitor uses less."""

TOLERANCE_MIB = 64
"""Memory counts as given back when no more than this is left; other readers come and go."""

_SETTLE_S = 10.0
_POLL_S = 0.5
_STOP_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Why there is no lease."""

    text: str
    """``2 free GPUs; visible: 1 (GPU 0: 12.0 GiB used by others)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Devices that are ours for a while, as they were when they became ours."""

    devices: tuple[Device, ...]

    @property
    def visible_devices(self) -> str:
        """The value of ``CUDA_VISIBLE_DEVICES`` for whoever runs on them."""
        return visible_text(self.devices)

    @property
    def used_mib(self) -> int:
        """Memory in use on them when they became ours."""
        return sum(device.used_mib or 0 for device in self.devices)


class Lender(Protocol):
    """Whoever lends GPUs."""

    def borrow(self, count: int) -> contextlib.AbstractContextManager[Lease | Lack]:
        """Give *count* devices, or say why there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuPool:
    """The GPUs that this process may see, and how to borrow some of them."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    floor_mib: int = FLOOR_MIB
    worker: int = 0
    """Number of this worker among *workers* that share the devices."""
    workers: int = 1
    wait_s: float = 1800.0
    """How long to wait for devices that other probes of this user hold."""

    def look(self) -> Visible:
        """Return what is visible now."""
        return list_visible(self.environ.get("CUDA_VISIBLE_DEVICES"), read_gpus())

    def count_free(self) -> int:
        """Return how many visible devices others leave to us; our own locks do not count."""
        return sum(self._why_not(device) is None for device in self.look().devices)

    def find_lack(self, count: int) -> str | None:
        """Return what is lacking for a probe on *count* devices, or ``None``.

        One that others of ours hold does not lack: whoever borrows waits for it.
        """
        visible = self.look()
        free = [each for each in _useful(visible, count) if self._why_not(each) is None]
        return None if len(free) >= count else self._lack(count, visible).text

    @contextlib.contextmanager
    def borrow(self, count: int) -> Iterator[Lease | Lack]:
        """Give *count* devices that nobody else uses, or say why there are none."""
        with contextlib.ExitStack() as held:
            yield self._borrow(count, held)

    def _borrow(self, count: int, held: contextlib.ExitStack) -> Lease | Lack:
        until = time.monotonic() + self.wait_s
        while True:
            visible = self.look()
            useful = _useful(visible, count)
            order = share(useful, worker=self.worker, workers=self.workers, count=count)
            with contextlib.ExitStack() as tried:
                ours, locked = self._take(order, count, tried)
                if len(ours) == count:
                    held.enter_context(tried.pop_all())
                    return Lease(devices=ours)
            possible = [each for each in useful if each in locked or self._why_not(each) is None]
            if len(possible) < count:
                return self._lack(count, visible)
            if count > 1 and not self._queue(possible[:count], held, until=until):
                return self._lack(count, visible, locked=locked)
            if count > 1:
                ours = _refresh(possible[:count], read_gpus())
                free = all(self._why_not(each) is None for each in ours)
                return Lease(devices=ours) if free else self._lack(count, self.look())
            if time.monotonic() >= until:
                return self._lack(count, visible, locked=locked)
            time.sleep(_POLL_S)

    def _take(
        self, order: Sequence[Device], count: int, locks: contextlib.ExitStack
    ) -> tuple[tuple[Device, ...], tuple[Device, ...]]:
        """Lock up to *count* free devices; return them, and those somebody of ours holds."""
        ours: list[Device] = []
        locked = []
        for device in order:
            if len(ours) == count:
                break
            with contextlib.ExitStack() as one:
                if not _try_lock(device, one):
                    locked.append(device)
                    continue
                # What was read before may be the memory of a probe that has just ended.
                (fresh,) = _refresh([device], read_gpus())
                if self._why_not(fresh) is None:
                    ours.append(fresh)
                    locks.enter_context(one.pop_all())
        return tuple(ours), tuple(locked)

    def _queue(
        self, devices: Sequence[Device], held: contextlib.ExitStack, *, until: float
    ) -> bool:
        """Lock all of *devices*, waiting for each with those before it held.

        They are taken in one order by everybody, so two who wait cannot wait for each other;
        and what is held cannot be snatched, so a probe on several devices does not starve.
        """
        for device in sorted(devices, key=lambda each: each.uuid or each.label):
            while not _try_lock(device, held):
                if time.monotonic() >= until:
                    return False
                time.sleep(_POLL_S)
        return True

    def _why_not(self, device: Device) -> str | None:
        """Return why *device* cannot be used, or ``None``."""
        if device.error is not None:
            return device.error
        if device.used_mib is not None and device.used_mib > self.floor_mib:
            return f"{device.used_mib / 1024:.1f} GiB used by others"
        return None

    def _lack(self, count: int, visible: Visible, *, locked: Sequence[Device] = ()) -> Lack:
        waited = f"held by other probes for {self.wait_s:.0f} s"
        details = [
            f"{device.label}: {why}"
            for device in visible.devices
            if (why := waited if device in locked else self._why_not(device))
        ]
        if count > 1 and any(device.is_instance for device in visible.devices):
            details.append("CUDA shows a process one MIG instance at the most")
        if visible.note is not None:
            details.append(visible.note)
        noun = "GPU" if count == 1 else "GPUs"
        because = f" ({'; '.join(details)})" if details else ""
        return Lack(text=f"{count} free {noun}; visible: {len(visible.devices)}{because}")


class Watch:
    """Reads the memory of leased devices while something runs on them."""

    def __init__(self, lease: Lease, *, limit_s: float) -> None:
        self._lease = lease
        self._limit_s = limit_s
        self._folder = tempfile.TemporaryDirectory(prefix="verlcompat-", ignore_cleanup_errors=True)
        self.output = Path(self._folder.name, "output")
        """Where readings are written, one a line."""
        self._stop = Path(self._folder.name, "stop")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.peak_mib: int | None = None
        """Most memory in use at once beyond what was in use before."""
        self.after_mib: int | None = None
        """Memory in use in the end, after it had time to be given back."""
        self.error: str | None = None
        """``GPU 0: GPU is lost``."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.touch()
        self._thread.join(_STOP_S)
        try:
            lines = self.output.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        readings = list(parse_readings(lines))
        if kind is None:
            readings.append(self._settle())
        for reading in readings:
            self._take(reading)
        self._folder.cleanup()

    def _read(self) -> None:
        with contextlib.suppress(VerlcompatError, OSError):
            run(
                nvml_argv("--until", str(self._stop)),
                env=tool_environ(os.environ),
                cwd=Path(self._folder.name),
                limits=Limits(timeout_s=self._limit_s, leave_s=0),
                output=self.output,
            )

    def _settle(self) -> Reading:
        """Return the last reading, after memory had time to be given back."""
        until = time.monotonic() + _SETTLE_S
        while True:
            reading = read_gpus()
            used_mib = _used_mib(self._lease, reading)
            is_back = used_mib is None or used_mib <= self._lease.used_mib + TOLERANCE_MIB
            if is_back or time.monotonic() >= until:
                self.after_mib = used_mib
                return reading
            time.sleep(_POLL_S)

    def _take(self, reading: Reading) -> None:
        used_mib = _used_mib(self._lease, reading)
        if used_mib is not None:
            self.peak_mib = max(self.peak_mib or 0, used_mib - self._lease.used_mib)
        for device in _refresh(self._lease.devices, reading):
            if device.error is not None:
                self.error = f"{device.label}: {device.error}"


def _used_mib(lease: Lease, reading: Reading) -> int | None:
    devices = _refresh(lease.devices, reading)
    if any(device.used_mib is None or device.error for device in devices):
        return None
    return sum(device.used_mib or 0 for device in devices)


def _refresh(devices: Sequence[Device], reading: Reading) -> tuple[Device, ...]:
    """Return *devices* as *reading* has them."""
    now = {each.label: each for each in list_visible(None, reading).devices}
    gone = reading.error or "not there any more"
    return tuple(
        dataclasses.replace(
            device,
            used_mib=now[device.label].used_mib if device.label in now else None,
            error=now[device.label].error if device.label in now else gone,
        )
        for device in devices
    )


def _useful(visible: Visible, count: int) -> tuple[Device, ...]:
    """Return the devices that can serve a probe on *count* of them."""
    return tuple(each for each in visible.devices if count == 1 or not each.is_instance)


def _try_lock(device: Device, stack: contextlib.ExitStack) -> bool:
    """Hold the lock of *device* until *stack* closes; return whether nobody else has it."""
    name = hashlib.sha256((device.uuid or device.label).encode()).hexdigest()[:16]
    path = _lock_folder() / f"{name}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return False
    stack.callback(os.close, handle)
    return True


def _lock_folder() -> Path:
    """Return the folder of the locks, ours alone.

    Raises:
        UsageError: If somebody else made a folder of that name.
    """
    folder = Path(tempfile.gettempdir(), f"verlcompat-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid():
        raise UsageError(
            "belongs to somebody else; set TMPDIR to a folder of your own", where=str(folder)
        )
    return folder
